/** Configurations: what is public. */

export { type JoinInput, joinConfig } from "./join.ts";
export { kubeconfig, oidcConfig } from "./oidc.ts";
