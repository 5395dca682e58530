/// <reference path="./.sst/platform/config.d.ts" />

export default $config({
  app(input) {
    const isProduction = input.stage === "production";
    return {
      name: "ame-clusters",
      home: "aws",
      version: "4.17.1",
      removal: isProduction ? "retain" : "remove",
      protect: isProduction,
    };
  },
  async run() {
    const { createTable } = await import("./stacks/table.ts");
    const { createApi } = await import("./stacks/api.ts");
    const table = createTable({ protect: $app.stage === "production" });
    const api = createApi({ table });
    return { api: api.url, table: table.name };
  },
});
