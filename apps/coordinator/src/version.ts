import packageFile from "../package.json" with { type: "json" };

/** Version of the coordinator, as `/healthz` tells it. */
export const VERSION: string = packageFile.version;
