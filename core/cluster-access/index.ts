/** Public operations of cluster configurations. */

export { type JoinInput, joinConfig } from "./join.ts";
export { kubeconfig, oidcConfig } from "./oidc.ts";
