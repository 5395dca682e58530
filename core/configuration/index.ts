/** Configurations: what is public. */

export { kubeconfig, oidcConfig } from "./oidc.ts";
