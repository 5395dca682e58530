/** Public operations of cluster configurations. */

export { issueJoinConfig, type JoinInput } from "./join.ts";
export { readKubeconfig, readOidcConfig } from "./oidc.ts";
