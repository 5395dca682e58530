/// <reference path="./.sst/platform/config.d.ts" />

export default $config({
  async app({ stage: name }) {
    const { expiryFrom, stageOf } = await import("./stacks/stage.ts");
    const { kind } = stageOf(name);
    const tags: Record<string, string> = kind === "branch" ? { expires: expiryFrom(new Date()) } : {};
    return {
      name: "ame-clusters",
      home: "aws",
      version: "4.17.1",
      removal: kind === "production" ? "retain" : "remove",
      protect: kind === "production",
      providers: { aws: { defaultTags: { tags } } },
    };
  },
  async run() {
    const { stageOf } = await import("./stacks/stage.ts");
    const { readSettings } = await import("./stacks/settings.ts");
    const { createTable } = await import("./stacks/table.ts");
    const { createKey } = await import("./stacks/key.ts");
    const { createApi } = await import("./stacks/api.ts");
    const { createReconciler } = await import("./stacks/reconciler.ts");
    const { createAlarms } = await import("./stacks/alarms.ts");
    const stage = stageOf($app.stage);
    const settings = readSettings(process.env, stage);
    const table = createTable({ stage });
    const key = createKey({ stage });
    const shared = { stage, settings, table, key };
    const { api, functions: ofApi } = createApi(shared);
    const { deadLetters, functions: ofReconciler } = createReconciler(shared);
    // Short-lived stages have no alarms.
    if (!stage.isEphemeral) {
      const functions = { ...ofApi, ...ofReconciler };
      const { ReconcileStream: onStream, ReconcileSchedule: onSchedule } = ofReconciler;
      createAlarms({ stage, settings, api, table, deadLetters, functions, onStream, onSchedule });
    }
    return { api: api.url, table: table.name };
  },
});
