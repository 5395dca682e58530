/** Differences of the dialect of the published clients that concern more than one property. */

import { DEFAULT_PAGE_SIZE, MESSAGE_PROBLEMS } from "./dialect.ts";

/** Rules by name, each as a sentence. Those that are the same in the documented dialect are here because the clients rely on them. */
export const rules = {
  "page size": `A list has ${DEFAULT_PAGE_SIZE} elements in a page if the request has no size, because the clients never send one and give up after 102 pages.`,
  "error messages": `The message of an error contains its first ${MESSAGE_PROBLEMS} problems, because the clients show nothing else.`,
  "empty segments": "A path with an empty segment or a slash at its end does not exist, as in the documented dialect.",
  "join configuration of a node pool":
    "POST without a body and GET both return it with 200, as in the documented dialect.",
  "identifiers of a node pool": "Every path takes the numeric id and the identity, as in the documented dialect.",
  "token scheme": "`Token` and `Bearer` are the same, as in the documented dialect.",
} as const satisfies Record<string, string>;
