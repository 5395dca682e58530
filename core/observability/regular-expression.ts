/**
 * Reads regular expressions of RE2 as Go's `regexp` does (https://github.com/google/re2/wiki/Syntax). Alertmanager matches with them, and
 * JavaScript's have another syntax and can take exponential time. Nothing is matched here.
 */

/** Facts about an expression or a part of one. */
interface Part {
  /** True if it matches the empty string. */
  matchesEmpty: boolean;
  /** Product of the counts of nested repetitions. */
  repeats: number;
}

const CHARACTER: Part = { matchesEmpty: false, repeats: 1 };
const NOTHING: Part = { matchesEmpty: true, repeats: 1 };

/** Maximum count of a repetition, and of nested repetitions together. */
const MAX_REPEATS = 1_000;

const COUNT = /^\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}/;
const FLAGS = /^\(\?[imsU]*(-[imsU]+)?[:)]/;
const GROUP_NAME = /^\(\?P?<([A-Za-z0-9_]+)>/;
const POSIX_CLASS = /^\[:\^?([\s\S]*?):\]/;
const POSIX_CLASSES = /^(alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit)$/;
const CODE = /^\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2}))/;
const UNICODE_CLASS = /^\\[pP](?:\{\^?(\w+)\}|(\w))/;
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

class SyntaxProblem extends Error {}

/** Returns whether a name is a general category or a script of Unicode. */
function isUnicodeClass(name: string): boolean {
  if (name === "Any") return true;
  return ["General_Category", "Script"].some((property) => {
    try {
      return new RegExp(`\\p{${property}=${name}}`, "u").unicode;
    } catch {
      return false;
    }
  });
}

/** Recursive descent over one expression. Its depth is limited by the length of the expression. */
class Reader {
  #rest: string;
  #isQuoted = false;

  constructor(text: string) {
    this.#rest = text;
  }

  /** Reads the whole expression. @throws SyntaxProblem */
  read(): Part {
    const part = this.#alternatives();
    if (this.#rest !== "") throw new SyntaxProblem("has a ) without a (");
    // Alertmanager anchors the expression by text around it, which an open quotation would contain.
    if (this.#isQuoted) throw new SyntaxProblem("has a \\Q without a \\E");
    return part;
  }

  /** Removes what a pattern matches at the start of the rest. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    const found = pattern.exec(this.#rest);
    if (found === null) return undefined;
    this.#rest = this.#rest.slice(found[0].length);
    return found;
  }

  #alternatives(): Part {
    let { matchesEmpty, repeats } = this.#sequence();
    while (this.#take(/^\|/) !== undefined) {
      const next = this.#sequence();
      matchesEmpty ||= next.matchesEmpty;
      repeats = Math.max(repeats, next.repeats);
    }
    return { matchesEmpty, repeats };
  }

  #sequence(): Part {
    let matchesEmpty = true;
    let repeats = 1;
    for (;;) {
      if (this.#isQuoted ? this.#take(/^\\E/) : this.#take(/^\\Q/)) this.#isQuoted = !this.#isQuoted;
      else if (this.#rest === "" || (!this.#isQuoted && /^[|)]/.test(this.#rest))) return { matchesEmpty, repeats };
      else {
        const next = this.#repetition();
        matchesEmpty &&= next.matchesEmpty;
        repeats = Math.max(repeats, next.repeats);
      }
    }
  }

  #repetition(): Part {
    // Flags are no part that could be repeated.
    if (!this.#isQuoted && /^\(\?[^:<P]*\)/.test(this.#rest) && this.#take(FLAGS) !== undefined) return NOTHING;
    const part = this.#atom();
    if (this.#isQuoted) {
      if (this.#take(/^\\E/) === undefined) return part;
      this.#isQuoted = false;
    }
    const count = this.#count();
    if (count === undefined) return part;
    this.#take(/^\?/);
    if (/^[*+?]/.test(this.#rest) || COUNT.test(this.#rest)) {
      throw new SyntaxProblem(`repeats a repetition at ${JSON.stringify(this.#rest.slice(0, 8))}`);
    }
    const { least, most } = count;
    const repeats = most === undefined ? part.repeats : part.repeats * most;
    if (repeats > MAX_REPEATS) throw new SyntaxProblem(`repeats more than ${MAX_REPEATS} times`);
    return { matchesEmpty: part.matchesEmpty || least === 0, repeats };
  }

  /** Reads the operator of a repetition. `most` is undefined for operators without numbers. */
  #count(): { least: number; most?: number } | undefined {
    const operator = this.#take(/^[*+?]/)?.[0];
    if (operator !== undefined) return { least: operator === "+" ? 1 : 0 };
    // Other braces are characters.
    const counted = this.#take(COUNT);
    if (counted === undefined) return undefined;
    const least = Number(counted[1]);
    const most = counted[2] === undefined ? least : counted[3] === undefined ? undefined : Number(counted[3]);
    if (Math.max(least, most ?? 0) > MAX_REPEATS || (most !== undefined && most < least)) {
      throw new SyntaxProblem(`has the invalid repetition ${counted[0].slice(0, 24)}`);
    }
    return { least, most: most ?? least };
  }

  #atom(): Part {
    if (this.#isQuoted) return this.#any();
    if (COUNT.test(this.#rest)) throw this.#nothingToRepeat();
    switch (this.#rest.charAt(0)) {
      case "(":
        return this.#group();
      case "[":
        return this.#class();
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        throw this.#nothingToRepeat();
      case "^":
      case "$":
        this.#any();
        return NOTHING;
      default:
        return this.#any();
    }
  }

  #nothingToRepeat(): SyntaxProblem {
    return new SyntaxProblem(`has nothing to repeat before ${JSON.stringify(this.#rest.slice(0, 8))}`);
  }

  #any(): Part {
    this.#take(/^[\s\S]/u);
    return CHARACTER;
  }

  #group(): Part {
    if ([GROUP_NAME, FLAGS, /^\((?!\?)/].every((start) => this.#take(start) === undefined)) {
      throw new SyntaxProblem(
        `has a group that RE2 does not know, such as a lookahead, at ${JSON.stringify(this.#rest.slice(0, 8))}`,
      );
    }
    const part = this.#alternatives();
    if (this.#take(/^\)/) === undefined) throw new SyntaxProblem("has a ( without a )");
    return part;
  }

  #class(): Part {
    this.#take(/^\[\^?/);
    for (let isFirst = true; isFirst || !this.#rest.startsWith("]"); isFirst = false) {
      if (this.#rest === "") throw new SyntaxProblem("has a [ without a ]");
      const posix = this.#take(POSIX_CLASS);
      if (posix !== undefined) {
        if (!POSIX_CLASSES.test(posix[1] ?? ""))
          throw new SyntaxProblem(`has the unknown class ${posix[0].slice(0, 24)}`);
      } else if (!this.#takeClassEscape()) {
        const low = this.#classCharacter();
        if (this.#take(/^-(?!\]|$)/) !== undefined && this.#classCharacter() < low) {
          throw new SyntaxProblem("has a range of characters whose end is before its start");
        }
      }
    }
    this.#take(/^\]/);
    return CHARACTER;
  }

  #classCharacter(): number {
    if (this.#rest.startsWith("\\")) return this.#characterEscape();
    const code = this.#rest.codePointAt(0);
    if (code === undefined) throw new SyntaxProblem("has a [ without a ]");
    this.#any();
    return code;
  }

  /** Reads an escape that stands for a class of characters. @returns false if there is none */
  #takeClassEscape(): boolean {
    const unicode = this.#take(UNICODE_CLASS);
    const name = unicode?.[1] ?? unicode?.[2];
    if (name !== undefined && !isUnicodeClass(name)) {
      throw new SyntaxProblem(`has the unknown Unicode class ${name.slice(0, 24)}`);
    }
    return name !== undefined || this.#take(/^\\[dDsSwW]/) !== undefined;
  }

  #escape(): Part {
    const assertion = this.#take(/^\\[AzbB]/)?.[0];
    // The empty string has no word boundary.
    if (assertion !== undefined) return assertion === "\\b" ? CHARACTER : NOTHING;
    if (!this.#takeClassEscape()) this.#characterEscape();
    return CHARACTER;
  }

  /** Reads an escape of one character. @returns its code point */
  #characterEscape(): number {
    const code = this.#take(CODE);
    if (code !== undefined) {
      const [, long, short, octal] = code;
      const value = octal === undefined ? Number.parseInt(long ?? short ?? "", 16) : Number.parseInt(octal, 8);
      if (value > 0x10_ffff) throw new SyntaxProblem(`has the invalid escape ${code[0].slice(0, 24)}`);
      return value;
    }
    const name = this.#take(/^\\([afnrtv])/)?.[1];
    if (name !== undefined) return CONTROL[name] ?? 0;
    const character = this.#take(/^\\([!-/:-@[-`{-~ ])/)?.[1];
    if (character !== undefined) return character.charCodeAt(0);
    throw new SyntaxProblem(`has the escape ${JSON.stringify(this.#rest.slice(0, 2))}, which RE2 does not know`);
  }
}

/**
 * Reads a regular expression of RE2.
 *
 * @param text at most some thousand characters
 * @returns whether the expression, anchored at both ends, matches the empty string; or, for an invalid one, the problem as a phrase
 */
export function readExpression(text: string): { matchesEmpty: boolean } | string {
  try {
    return { matchesEmpty: new Reader(text).read().matchesEmpty };
  } catch (error) {
    if (error instanceof SyntaxProblem) return error.message;
    throw error;
  }
}
