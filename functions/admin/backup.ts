/** The operator's commands for backups of the whole table. */

import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { exportTable } from "#core/admin/backup/export.ts";
import type { Lines } from "#core/admin/backup/format.ts";
import { importBackup } from "#core/admin/backup/import.ts";
import { verifyBackup } from "#core/admin/backup/verify.ts";
import { type Command, type CommandLine, optionValue, stringOption, UsageError } from "./command.ts";

const isCompressed = (file: string) => file.endsWith(".gz");

const FILE = "--file <path; compressed if it ends with .gz>";

const fileIn = (given: CommandLine) => optionValue(given, "file") ?? "";

/** Reads the lines of a file. Only a line feed ends a line, because items may contain any other line separator. */
const linesOf = (file: string): Lines =>
  async function* () {
    const bytes = createReadStream(file);
    const plain = isCompressed(file) ? bytes.compose(createGunzip()) : bytes;
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let rest = "";
    for await (const chunk of plain) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
    rest += decoder.decode();
    if (rest !== "") yield rest;
  };

async function* withLineFeeds(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

/** Writes lines to `<file>.part`, which only its user can read. The caller renames it when it is complete. */
async function writePart(file: string, lines: AsyncIterable<string>): Promise<void> {
  const next = `${file}.part`;
  await rm(next, { force: true });
  const sink = createWriteStream(next, { mode: 0o600, flags: "wx", flush: true });
  const source = Readable.from(withLineFeeds(lines), { objectMode: false });
  await (isCompressed(file) ? pipeline(source, createGzip(), sink) : pipeline(source, sink));
}

/** Commands by name. */
export const backupCommands: Readonly<Record<string, Command>> = {
  "backup export": {
    usage: FILE,
    options: { file: stringOption },
    required: ["file"],
    async run(services, given) {
      const file = fileIn(given);
      if (existsSync(file)) throw new UsageError(`${file} already exists; choose another path or remove the file.\n`);
      try {
        const end = await exportTable(services, (lines) => writePart(file, lines));
        await rename(`${file}.part`, file);
        return { print: { file, table: services.table.name, ...end } };
      } finally {
        await rm(`${file}.part`, { force: true });
      }
    },
  },
  "backup verify": {
    usage: FILE,
    options: { file: stringOption },
    required: ["file"],
    database: "none",
    async run(_, given) {
      const verified = await verifyBackup(linesOf(fileIn(given)));
      return { print: verified, failed: verified.unreadable.length > 0 };
    },
  },
  "backup import": {
    usage: `${FILE} [--resume]`,
    options: { file: stringOption, resume: { type: "boolean" } },
    required: ["file"],
    database: "exclusive",
    async run({ table, clock, writeTimeoutMs }, given, { report }) {
      const onProgress = (done: number) => report(`${done} items`);
      const importing = { table, clock, writeTimeoutMs, resume: given.values.resume === true, onProgress };
      const { start, items } = await importBackup(importing, linesOf(fileIn(given)));
      const note =
        start.table === table.name
          ? {}
          : {
              note: `The backup is of the table ${start.table}. To decrypt secrets in this table, run \`secrets rotate --from-table ${start.table}\`.`,
            };
      return { print: { table: table.name, items, ...note } };
    },
  },
};
