/** Verifies a backup before it is needed. */

import { errorText } from "../../shared/errors.ts";
import { unmarshallItem } from "../../table/dynamodb-json.ts";
import { entities } from "../entities.ts";
import { type BackupSummary, type Lines, readBackup } from "./format.ts";

/** Summary of a verified backup. */
interface VerifiedBackup extends BackupSummary {
  /** Number of items of each entity. */
  byEntity: Record<string, number>;
  /** Items that this release cannot read. */
  unreadable: string[];
}

/**
 * Reads a whole backup, and reads every item in it as the server would.
 *
 * @throws AppError invalid if it is not a complete backup
 */
export async function verifyBackup(lines: Lines): Promise<VerifiedBackup> {
  const known = new Map(entities.map((entity) => [entity.name, entity]));
  const byEntity: Record<string, number> = {};
  const unreadable: string[] = [];
  const backup = await readBackup(lines, (wire, line) => {
    try {
      const item = unmarshallItem(wire);
      const name = String(item.entity);
      byEntity[name] = (byEntity[name] ?? 0) + 1;
      const entity = known.get(name);
      if (entity === undefined) throw new Error(`${item.pk} ${item.sk} is of the unknown entity ${name}`);
      entity.read(item);
    } catch (error) {
      unreadable.push(`line ${line}: ${errorText(error)}`);
    }
  });
  return { ...backup, byEntity, unreadable };
}
