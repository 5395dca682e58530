/** Asks an API server for the caller's permissions with a SelfSubjectAccessReview, which every authenticated caller may create. */

import * as v from "valibot";
import { unavailableError } from "./errors.ts";
import type { ObjectKind } from "./objects.ts";
import { pathOf, resourceOf } from "./resources.ts";

/** Verbs of the calls that the client makes. */
export type Verb = "get" | "list" | "create" | "patch" | "delete" | "deletecollection";

/** One verb for the objects of one kind. */
export interface ResourceAttributes extends ObjectKind {
  verb: Verb;
  /** Undefined for all namespaces, and for cluster-scoped kinds. */
  namespace?: string;
}

const REVIEW: ObjectKind = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview" };

const Review = v.object({ status: v.object({ allowed: v.boolean() }) });

/**
 * Returns whether the caller has a permission.
 *
 * @param post sends JSON to a path and returns the JSON of the response
 * @throws KubernetesError as `post`
 */
export async function reviewAccess(
  { verb, namespace, ...kind }: ResourceAttributes,
  post: (path: string, body: object) => Promise<unknown>,
): Promise<boolean> {
  const { group, version, plural } = resourceOf(kind);
  const resourceAttributes = {
    verb,
    group,
    version,
    resource: plural,
    ...(namespace === undefined ? {} : { namespace }),
  };
  const path = pathOf(REVIEW, undefined);
  const response = v.safeParse(Review, await post(path, { ...REVIEW, spec: { resourceAttributes } }));
  if (!response.success) throw unavailableError(`POST ${path}`, "the response is not a review");
  return response.output.status.allowed;
}
