/** A file that is encrypted with a data key of its own, which the keyring encrypts. */

import { existsSync, readFileSync } from "node:fs";
import * as v from "valibot";
import type { OutsideSecrets } from "#core/admin/rotate-secrets.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { type SealContext, seal, unseal } from "#core/secrets/seal.ts";
import { AppError } from "#core/shared/errors.ts";
import { withFileLock } from "../file-lock.ts";
import { writePrivately } from "../private-file.ts";

const SealedFile = v.object({
  dataKey: v.object({ wrappedBy: v.string(), ciphertext: v.string() }),
  sealed: v.string(),
});

/** A file's content, and whether it was written by a release that did not encrypt it. */
export interface OpenedFile {
  text: string;
  isPlain: boolean;
}

/** An encrypted file. */
export interface EncryptedFile extends OutsideSecrets {
  /**
   * Reads and decrypts the file.
   *
   * @returns undefined where there is no file
   * @throws Error that names the file, without its content; AppError unavailable where the keyring cannot be reached
   */
  read(): Promise<OpenedFile | undefined>;
  /**
   * Replaces the file, encrypted with a new data key.
   *
   * @param content makes the text when it is this writer's turn, so that of two writers the later one has all of it
   * @throws AppError unavailable where the keyring cannot be reached
   */
  write(content: () => string): Promise<void>;
}

/**
 * Opens an encrypted file. Several processes may write to it.
 *
 * @param file in a directory that is there already
 * @param purpose what the ciphertext is bound to: it does not decrypt as a file of another purpose
 */
export function encryptedFile(file: string, keyring: Keyring, purpose: string): EncryptedFile {
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

  /** Draws a data key before the file is locked, because a lock is held for synchronous work only. */
  async function replace(textFor: (content: string | undefined) => string | undefined): Promise<boolean> {
    const { key, wrapped } = await keyring.generate(context);
    return withFileLock(`${file}.lock`, () => {
      const text = textFor(contentOf());
      if (text === undefined) return false;
      const sealed = seal(key, Buffer.from(text), { ...context, wrappedBy: wrapped.wrappedBy });
      writePrivately(file, `${JSON.stringify({ dataKey: wrapped, sealed })}\n`);
      return true;
    });
  }

  return {
    async read() {
      const content = contentOf();
      return content === undefined ? undefined : await decrypt(content);
    },
    async write(content) {
      await replace(content);
    },
    async rotate() {
      for (;;) {
        const content = contentOf();
        if (content === undefined) return;
        const { text } = await decrypt(content);
        // Another process wrote to it meanwhile: what it wrote is read again.
        if (await replace((present) => (present === content ? text : undefined))) return;
      }
    },
    async wrappedBy() {
      const content = contentOf();
      return content === undefined ? undefined : parse(file, content)?.dataKey.wrappedBy;
    },
  };
}

/** @returns undefined where the content is not encrypted. @throws Error where it is cut off */
function parse(file: string, content: string): v.InferOutput<typeof SealedFile> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    // What went wrong would be told with what stands in the file.
    throw new Error(`${file} is damaged: its content is not JSON`);
  }
  const parsed = v.safeParse(SealedFile, value);
  return parsed.success ? parsed.output : undefined;
}
