/** Contract shapes of configurations. */

import * as v from "valibot";

const base64 = v.pipe(v.string(), v.base64());

/** JoinConfigVersions of the API documentation. */
export const JoinConfigVersions = v.object({
  containerd: v.string(),
  crictl: v.string(),
  kubernetes: v.string(),
});

/** JoinConfigResponse of the API documentation. */
export const JoinConfigResponse = v.object({
  cloudInitUserDataBase64: base64,
  installScriptBase64: base64,
  joinCommand: v.string(),
  kubeletConfigBase64: base64,
  upgradeScriptBase64: base64,
  versions: JoinConfigVersions,
});
export type JoinConfigResponse = v.InferOutput<typeof JoinConfigResponse>;

/** OidcConfigResponse of the API documentation. */
export const OidcConfigResponse = v.object({
  caCertificate: v.string(),
  clientId: v.string(),
  clientSecret: v.string(),
  endpoint: v.optional(v.pipe(v.string(), v.description("Absent until the control plane is provisioned."))),
  issuerUrl: v.string(),
});
export type OidcConfigResponse = v.InferOutput<typeof OidcConfigResponse>;

const namedList = <Shape extends v.GenericSchema>(name: string, shape: Shape) =>
  v.array(v.object({ name: v.string(), [name]: shape }));

/** Kubeconfig for kubectl, with a plugin that logs in through the cluster's issuer. */
export const KubeconfigResponse = v.object({
  apiVersion: v.literal("v1"),
  kind: v.literal("Config"),
  clusters: namedList("cluster", v.object({ "certificate-authority-data": base64, server: v.string() })),
  contexts: namedList("context", v.object({ cluster: v.string(), user: v.string() })),
  "current-context": v.string(),
  users: namedList(
    "user",
    v.object({
      exec: v.object({
        apiVersion: v.string(),
        args: v.array(v.string()),
        command: v.string(),
        installHint: v.string(),
        interactiveMode: v.string(),
      }),
    }),
  ),
});
export type KubeconfigResponse = v.InferOutput<typeof KubeconfigResponse>;
