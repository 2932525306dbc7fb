/** The table of keys in docs/viewer.md is the viewer's own. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { COMMANDS, GROUPS, keyTitle } from "../src/commands";
import { MOUSE } from "../src/ui/help";

const GUIDE = resolve(__dirname, "../../docs/viewer.md");
const PART = /(<!-- keys: .* -->\n)([^]*?)(<!-- end of keys -->)/;

function table(): string {
  const lines = ["| | | |", "|---|---|---|"];
  const add = (group: string, keys: string, title: string): number => lines.push(`| ${group} | ${keys} | ${title} |`);
  MOUSE.forEach(([keys, title], n) => add(n === 0 ? "Mouse" : "", keys, title));
  for (const group of GROUPS) {
    const rows = COMMANDS.filter((one) => one.group === group && !/_[2-9]$/.test(one.id));
    rows.forEach(({ id, keys, title }, n) => {
      const many = id.endsWith("_1");
      const shown = keys.map((key) => `\`${keyTitle(key)}\``).join(" ") + (many ? " … `9`" : "");
      add(n === 0 ? group : "", shown, many ? title.replace(/ 1$/, " 1 … 9") : title);
    });
  }
  return `${lines.join("\n")}\n`;
}

it("is in the user's guide", () => {
  const text = readFileSync(GUIDE, "utf-8");
  const changed = text.replace(PART, (_, start: string, _old: string, end: string) => start + table() + end);
  if (process.env["NBANNOT_WRITE_DOCS"]) writeFileSync(GUIDE, changed);
  expect(PART.test(text)).toBe(true);
  expect(readFileSync(GUIDE, "utf-8")).toBe(changed);
});
