import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cloudProviderTypes } from "#core/catalogue/index.ts";
import { parseProfiles } from "#core/provisioning/cluster-api/parse-profiles.ts";
import { createLocalKeyring, createMemoryKeyStore } from "#core/secrets/local-keyring.ts";
import { sharedProvisionerFrom } from "#functions/reconciler/services.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { servicesFrom } from "#functions/runtime/services.ts";

const EXAMPLE = join(import.meta.dirname, "../../../docs/examples/cluster-api-profiles.yaml");
const profiles = parseProfiles(readFileSync(EXAMPLE, "utf8"), () => "");
const endpoint = "http://127.0.0.1:1";

const own = {
  keyring: createLocalKeyring(createMemoryKeyStore()),
  identityProvider: {
    issuer: "https://issuer.example.test",
    register: () => Promise.reject(new Error("not expected")),
    remove: () => Promise.reject(new Error("not expected")),
  },
  warn: () => {},
};
const noKubeconfig = { readKubeconfig: () => Promise.reject(new Error("not expected")) };

describe("the provisioner of a configuration", () => {
  test("the simulated provisioner needs no profiles and no credentials, and each invocation creates its own", async () => {
    const config = readConfig({});
    const services = servicesFrom(config, endpoint);
    expect(services.provisioner).toMatchObject({ name: "simulated", hasApiServers: false });
    expect(cloudProviderTypes.filter((type) => services.provisioner.needsCredentials(type))).toEqual([]);
    expect(await sharedProvisionerFrom(config, services, own, noKubeconfig)).toBeUndefined();
  });

  test("the Cluster API provisioner needs credentials of each provider whose controller reads them by account", () => {
    const { provisioner } = servicesFrom(readConfig({ PROVISIONER: "cluster-api" }), endpoint, {}, profiles);
    expect(provisioner).toMatchObject({ name: "cluster-api", hasApiServers: true });
    expect(cloudProviderTypes.filter((type) => provisioner.upgradesInPlace(type))).toEqual(["byon"]);
    expect(cloudProviderTypes.filter((type) => provisioner.needsCredentials(type))).toEqual([
      "aws",
      "azure",
      "openstack",
      "hetzner",
      "vsphere",
    ]);
  });

  test("the Cluster API provisioner without profiles, as in a bundle that was built without them, is refused", async () => {
    const config = readConfig({ PROVISIONER: "cluster-api" });
    const message = expect.stringMatching(/^CLUSTER_API_PROFILES: is not set/);
    expect(() => servicesFrom(config, endpoint)).toThrow(expect.objectContaining({ code: "config.invalid", message }));
    const services = servicesFrom(readConfig({}), endpoint);
    await expect(sharedProvisionerFrom(config, services, own, noKubeconfig)).rejects.toMatchObject({ message });
  });

  test("the kubeconfig of a function's secret must not run a command or read a file", async () => {
    const config = readConfig({ PROVISIONER: "cluster-api" });
    const services = servicesFrom(config, endpoint, {}, profiles);
    const kubeconfig = {
      "current-context": "a",
      contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
      clusters: [{ name: "a", cluster: { server: "https://127.0.0.1:1", "certificate-authority": "/ca.crt" } }],
      users: [{ name: "a", user: { tokenFile: "/token" } }],
    };
    const management = {
      readKubeconfig: async () => JSON.stringify(kubeconfig),
      clientOptions: { isEmbedded: true },
    };
    const provisioner = await sharedProvisionerFrom(config, services, own, management, profiles);
    const cluster = {} as Parameters<NonNullable<typeof provisioner>["observe"]>[0]["cluster"];
    await expect(provisioner?.observe({ cluster, nodePools: [] }, new AbortController().signal)).rejects.toMatchObject({
      details: [
        expect.stringMatching(/^clusters\[a\]\.certificate-authority: is not supported here/),
        expect.stringMatching(/^users\[a\]\.tokenFile: is not supported here/),
      ],
    });
  });
});
