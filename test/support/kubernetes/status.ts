/** Failures, as the API server answers them. */

import type { Resource } from "#core/kubernetes/resources.ts";

/** Failed request. */
export class StatusError extends Error {
  readonly status: number;
  readonly reason: string | undefined;
  readonly details: object | undefined;

  constructor(status: number, reason: string | undefined, message: string, details?: object) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.details = details;
  }

  /** Body of the response. */
  get body(): object {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      ...(this.reason === undefined ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.status,
    };
  }
}

type Named = Pick<Resource, "group" | "plural" | "kind">;

/** Returns the plural with its group, as messages name a resource. */
export const qualified = ({ group, plural }: Named): string => (group === "" ? plural : `${plural}.${group}`);

const qualifiedKind = ({ group, kind }: Named): string => (group === "" ? kind : `${kind}.${group}`);

const detailsOf = ({ group }: Named, name: string, kind: string) => ({
  name,
  ...(group === "" ? {} : { group }),
  kind,
});

/** Object that does not exist. */
export const notFound = (resource: Named, name: string) =>
  new StatusError(
    404,
    "NotFound",
    `${qualified(resource)} "${name}" not found`,
    detailsOf(resource, name, resource.plural),
  );

/** Object that exists. */
export const alreadyExists = (resource: Named, name: string) =>
  new StatusError(
    409,
    "AlreadyExists",
    `${qualified(resource)} "${name}" already exists`,
    detailsOf(resource, name, resource.plural),
  );

/** Precondition that does not hold. @param problem such as "the object has been modified" */
export const conflict = (resource: Named, name: string, problem: string) =>
  new StatusError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${problem}`,
    detailsOf(resource, name, resource.plural),
  );

/** Object that validation refuses. @param problem such as "type: Invalid value: …" */
export function invalid(resource: Named, name: string, problem: string): StatusError {
  const [, field = "", message = problem] = /^([^:]+): (.*)$/s.exec(problem) ?? [];
  const causes = [{ reason: "FieldValueInvalid", message, field }];
  const details = { ...detailsOf(resource, name, resource.kind), causes };
  return new StatusError(422, "Invalid", `${qualifiedKind(resource)} "${name}" is invalid: ${problem}`, details);
}

/** Request that cannot be read. */
export const badRequest = (problem: string) => new StatusError(400, "BadRequest", problem);

/** Request that the user may not make. */
export const forbidden = (resource: Named, name: string, problem: string, details: object = {}) =>
  new StatusError(403, "Forbidden", `${qualified(resource)} "${name}" is forbidden: ${problem}`, {
    ...detailsOf(resource, name, resource.plural),
    ...details,
  });
