import { expect, test } from "vitest";
import { architectures, checksums, clusterVersions, components } from "#core/catalogue/index.ts";
import { downloadPath, findNodeSoftware } from "#core/node-bootstrap/software.ts";

test("nodes of every catalogue version can be installed on every architecture", () => {
  for (const { version } of clusterVersions) {
    const software = findNodeSoftware(version);
    expect(software, version).toBeDefined();
    expect(version).toMatch(new RegExp(`^v${software?.kubernetes.replaceAll(".", "\\.")}-u-ame\\.`));
    for (const component of components) {
      for (const architecture of architectures) {
        expect(software?.downloads[component].checksums[architecture], `${component} ${architecture}`).toMatch(
          /^[0-9a-f]{64}$/,
        );
      }
    }
    expect(software?.downloads.kubeadm.version).toBe(software?.kubernetes);
    expect(software?.downloads.crictl.version).toMatch(new RegExp(`^1\\.${software?.kubernetes.split(".")[1]}\\.`));
  }
});

test("all downloads have different checksums, so no checksum was copied to a wrong row", () => {
  const all = Object.values(checksums).flatMap((versions) => Object.values(versions).flatMap(Object.values));
  expect(new Set(all).size).toBe(all.length);
});

test("an unknown version is not a version for nodes", () => {
  expect(findNodeSoftware("v1.33.99-u-ame.1")).toBeUndefined();
  expect(findNodeSoftware("v1.99.0-u-ame.1")).toBeUndefined();
  expect(findNodeSoftware("v1.33.4")).toBeUndefined();
});

test("downloads have the URLs that their projects publish", () => {
  const software = findNodeSoftware("v1.34.4-u-ame.2");
  if (software === undefined) throw new Error("1.34.4 is not known");
  expect(components.map((component) => downloadPath(software.downloads[component], "arm64"))).toEqual([
    "v2.1.6/containerd-2.1.6-linux-arm64.tar.gz",
    "v1.3.3/runc.arm64",
    "v1.8.0/cni-plugins-linux-arm64-v1.8.0.tgz",
    "v1.34.0/crictl-v1.34.0-linux-arm64.tar.gz",
    "v1.34.4/bin/linux/arm64/kubeadm",
    "v1.34.4/bin/linux/arm64/kubelet",
  ]);
});
