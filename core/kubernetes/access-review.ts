/** Asks an API server what the caller may do (SelfSubjectAccessReview), which every authenticated caller may ask. */

import * as v from "valibot";
import { noAnswer } from "./errors.ts";
import type { ObjectKind } from "./objects.ts";
import { pathOf, resourceOf } from "./resources.ts";

/** Verbs of the calls of a client. */
export type Verb = "get" | "list" | "create" | "patch" | "delete" | "deletecollection";

/** Calls of one kind. */
export interface Access extends ObjectKind {
  verb: Verb;
  /** Undefined for all namespaces, and for kinds of the whole cluster. */
  namespace?: string;
}

const REVIEW: ObjectKind = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview" };

const Review = v.object({ status: v.object({ allowed: v.boolean() }) });

/**
 * Returns whether the caller may make calls.
 *
 * @param post sends JSON to a path and returns the JSON of the answer
 * @throws KubernetesError as `post`
 */
export async function reviewAccess(
  { verb, namespace, ...kind }: Access,
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
  const answer = v.safeParse(Review, await post(path, { ...REVIEW, spec: { resourceAttributes } }));
  if (!answer.success) throw noAnswer(`POST ${path}`, "the answer is not a review");
  return answer.output.status.allowed;
}
