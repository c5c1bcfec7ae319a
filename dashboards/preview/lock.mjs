// Takes addresses out of the lock: what is installed is named by version and hash alone.
import { readFileSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
for (const item of Object.values(lock.packages)) {
  delete item.resolved;
  delete item.funding;
}
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
