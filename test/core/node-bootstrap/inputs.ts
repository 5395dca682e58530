/** Builds clusters and pools to join. */

import type { JoinedPool, JoinInput } from "#core/node-bootstrap/input.ts";

// Test authority whose key was deleted. ECDSA P-256, like the keys of this project.
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBgjCCASegAwIBAgIUZr7RLNCziSyavCwJBuHnd07reN4wCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKa3ViZXJuZXRlczAgFw0yNjExMjcwMjI4MDdaGA8yMTI2MTEw
MzAyMjgwN1owFTETMBEGA1UEAwwKa3ViZXJuZXRlczBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABLchyAVLqUP4dDuSDMu2295Qnf1yfezukCCpPNyx/Gz1NaxIBOID
6Mh3EjIFECjJatTd5+1QnAHt7f5XlA8sZHmjUzBRMB0GA1UdDgQWBBQYHcDIR1fn
kyS/KFQTMO4MRUbG7jAfBgNVHSMEGDAWgBQYHcDIR1fnkyS/KFQTMO4MRUbG7jAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCSBtHjvFfrhuVnO2+u
Gp/ia4O2Rh0ZBTW/MfPw96U1CgIhANvZYdV+2HR16NaZ6EP9VD2vwvWufQE5tqVj
rGcDEyHK
-----END CERTIFICATE-----
`;

/** Hash of its public key as openssl prints it. */
export const PUBLIC_KEY_HASH = "sha256:07ad4a94608cdcb0df914ec469a13195718fd685e3f982b28cc886755f15fc7c";

export const TOKEN = "abcdef.0123456789abcdef";

/** Builds a cluster to join. @param overrides properties that differ from the default */
export const clusterToJoin = (overrides: Partial<JoinInput> = {}): JoinInput => ({
  endpoint: "https://api.example.com:6443",
  certificate: CERTIFICATE,
  token: TOKEN,
  version: "v1.33.4-u-ame.2",
  serviceSubnet: "10.96.0.0/12",
  ...overrides,
});

/** Builds a pool to join. @param overrides properties that differ from the default */
export const poolToJoin = (overrides: Partial<JoinedPool> = {}): JoinedPool => ({
  name: "workers",
  labels: { role: "worker", "node-role.kubernetes.io/worker": "" },
  taints: [
    { key: "dedicated", value: "system", effect: "NoSchedule" },
    { key: "spot", effect: "PreferNoSchedule" },
  ],
  enableNodeReboots: true,
  securityUpdatesOnJoin: "OFF",
  upgradeStrategy: "INPLACE",
  ...overrides,
});
