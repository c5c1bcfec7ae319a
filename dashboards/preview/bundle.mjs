// Bundles the page into build/, with the icons and fonts that Grafana's components ask for.
import { build } from "esbuild";
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";

const { version } = JSON.parse(readFileSync("node_modules/@grafana/ui/package.json", "utf8"));
const icons = "node_modules/@grafana/ui/dist/public/img/icons";
const font = "node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2";
const faces = ["Inter-Regular", "Inter-Medium", "Inter-Italic", "Inter-MediumItalic"];

rmSync("build", { recursive: true, force: true });
mkdirSync("build/public/fonts/inter", { recursive: true });
cpSync(icons, "build/public/build/img/icons", { recursive: true });
for (const face of faces) {
  cpSync(font, `build/public/fonts/inter/${face}.woff2`);
}
cpSync("src/index.html", "build/index.html");
await build({
  entryPoints: ["src/main.jsx"],
  outdir: "build",
  bundle: true,
  format: "esm",
  splitting: true,
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"', __GRAFANA_UI__: JSON.stringify(version) },
  loader: { ".ttf": "file", ".woff2": "file" },
  logLevel: "warning",
});
