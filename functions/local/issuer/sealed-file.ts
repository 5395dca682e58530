/** File that is encrypted with its own data key, which the keyring encrypts. */

import { existsSync, readFileSync } from "node:fs";
import * as v from "valibot";
import type { OutsideSecrets } from "#core/admin/rotate-secrets.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { type SealContext, seal, unseal } from "#core/secrets/seal.ts";
import { AppError } from "#core/shared/errors.ts";
import { withFileLock } from "../file-lock.ts";
import { writePrivateFile } from "../private-file.ts";

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
   * Replaces the file, encrypted with a new data key.
   *
   * @param content returns the text; called under the lock, so that the later of two writers includes the other's changes
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

  /** Generates the data key before the lock, because only synchronous work may run under the lock. */
  async function replace(textFor: (content: string | undefined) => string | undefined): Promise<boolean> {
    const { key, wrapped } = await keyring.generate(context);
    return withFileLock(`${file}.lock`, () => {
      const text = textFor(contentOf());
      if (text === undefined) return false;
      const sealed = seal(key, Buffer.from(text), { ...context, wrappedBy: wrapped.wrappedBy });
      writePrivateFile(file, `${JSON.stringify({ dataKey: wrapped, sealed })}\n`);
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
        // Another process has changed the file meanwhile: read it again.
        if (await replace((present) => (present === content ? text : undefined))) return;
      }
    },
    async wrappedBy() {
      const content = contentOf();
      return content === undefined ? undefined : parse(file, content)?.dataKey.wrappedBy;
    },
  };
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
