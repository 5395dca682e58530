/** File that is encrypted with its own data key, which the keyring encrypts. */

import * as fs from "node:fs";
import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { promisify } from "node:util";
import * as v from "valibot";
import type { OutsideSecrets } from "#core/admin/rotate-secrets.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { type SealContext, seal, unseal } from "#core/secrets/seal.ts";
import { AppError } from "#core/shared/errors.ts";
import { withFileLock } from "../file-lock.ts";
import { writePrivateFile } from "../private-file.ts";

// Those of `node:fs/promises` take no descriptor that was opened under a lock.
const writeFile = promisify(fs.writeFile);
const fsync = promisify(fs.fsync);

const SealedFile = v.object({
  dataKey: v.object({ wrappedBy: v.string(), ciphertext: v.string() }),
  sealed: v.string(),
});

/** Content of a file; `isPlain` if it was written without encryption, by an older release. */
interface OpenedFile {
  text: string;
  isPlain: boolean;
}

/** Encrypted file. */
export interface EncryptedFile extends OutsideSecrets {
  /**
   * Reads and decrypts the file.
   *
   * @returns undefined if the file does not exist
   * @throws Error with the name of the file, without its content; AppError unavailable if the keyring cannot be reached
   */
  read(): Promise<OpenedFile | undefined>;
  /**
   * Replaces the file, encrypted with a new data key. The content is on disk when it returns; the event loop does not wait for the disk.
   *
   * @param content returns the text, which includes the changes of all writers of this process
   * @throws AppError unavailable if the keyring cannot be reached
   */
  write(content: () => string): Promise<void>;
}

/**
 * Opens an encrypted file. Several processes may write to it.
 *
 * @param file path in an existing directory
 * @param purpose context of the ciphertext: it does not decrypt as a file of another purpose
 */
export function openEncryptedFile(file: string, keyring: Keyring, purpose: string): EncryptedFile {
  const context: SealContext = { purpose };
  const contentOf = () => (existsSync(file) ? readFileSync(file, "utf8") : undefined);

  async function decrypt(content: string): Promise<OpenedFile> {
    const parsed = parse(file, content);
    if (parsed === undefined) return { text: content, isPlain: true };
    const { dataKey, sealed } = parsed;
    try {
      const key = await keyring.unwrap(dataKey, context);
      return { text: unseal(key, sealed, { ...context, wrappedBy: dataKey.wrappedBy }).toString(), isPlain: false };
    } catch (error) {
      if (error instanceof AppError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${file} cannot be decrypted: ${reason}`, { cause: error });
    }
  }

  /** Generates a data key. @returns function that encrypts a text with it */
  async function encryption(): Promise<(text: string) => string> {
    const { key, wrapped } = await keyring.generate(context);
    return (text) => {
      const sealed = seal(key, Buffer.from(text), { ...context, wrappedBy: wrapped.wrappedBy });
      // Base64 needs no escapes, and the text can be long.
      return `{"dataKey":${JSON.stringify(wrapped)},"sealed":"${sealed}"}\n`;
    };
  }

  const underLock = <T>(work: () => T): T => withFileLock(`${file}.lock`, work);

  /** Replaces the file if its content is the given one. @returns false if it is not */
  async function replace(content: string, text: string): Promise<boolean> {
    // Before the lock, because only synchronous work may run under the lock.
    const encrypt = await encryption();
    return underLock(() => {
      if (contentOf() !== content) return false;
      writePrivateFile(file, encrypt(text));
      return true;
    });
  }

  /** Replaces the file. @returns false if another process used the temporary file meanwhile */
  async function write(textOf: () => string): Promise<boolean> {
    const encrypt = await encryption();
    const temporary = `${file}.written`;
    // Under the lock, so that no process deletes the file of another one between its check and its rename below.
    const descriptor = underLock(() => createPrivateFile(temporary));
    try {
      await writeFile(descriptor, encrypt(textOf()));
      await fsync(descriptor);
      // While the file is open, no other file gets its inode.
      const { ino } = fstatSync(descriptor);
      return underLock(() => {
        if (statSync(temporary, { throwIfNoEntry: false })?.ino !== ino) return false;
        renameSync(temporary, file);
        return true;
      });
    } finally {
      closeSync(descriptor);
    }
  }

  return {
    async read() {
      const content = contentOf();
      return content === undefined ? undefined : await decrypt(content);
    },
    async write(content) {
      while (!(await write(content)));
    },
    async rotate() {
      for (;;) {
        const content = contentOf();
        if (content === undefined) return;
        const { text } = await decrypt(content);
        // Another process has changed the file meanwhile: read it again.
        if (await replace(content, text)) return;
      }
    },
    async wrappedBy() {
      const content = contentOf();
      return content === undefined ? undefined : parse(file, content)?.dataKey.wrappedBy;
    },
  };
}

/** Creates a file that only its user can read, instead of one of another or an interrupted write. @returns its descriptor */
function createPrivateFile(file: string): number {
  rmSync(file, { force: true });
  return openSync(file, "wx", 0o600);
}

/** @returns undefined if the content is not encrypted. @throws Error if it is truncated */
function parse(file: string, content: string): v.InferOutput<typeof SealedFile> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    // Do not pass the cause on: it contains parts of the file.
    throw new Error(`${file} is damaged: its content is not JSON`);
  }
  const parsed = v.safeParse(SealedFile, value);
  return parsed.success ? parsed.output : undefined;
}
