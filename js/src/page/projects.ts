/** The projects of a reader, where there are several. */
import { h } from "../ui/dom";
import type { Service } from "./files";
import { isDone } from "./messages";

/** Show the projects and how much is to do in each. */
export async function projectList(service: Service, names: readonly string[], root: HTMLElement): Promise<void> {
  const rows = names.map((name) => {
    const count = h("span", { class: "page-due" });
    // The key of a task is not of another project.
    const link = h("a", { class: "page-row", href: `?project=${encodeURIComponent(name)}`, "data-nbannot-project": name }, h("strong", {}, name), count);
    return { name, count, link };
  });
  const list = h("ul", { "aria-label": "Projects" }, ...rows.map(({ link }) => h("li", {}, link)));
  root.append(h("main", { class: "page-list", "data-nbannot-projects": true }, h("h1", {}, "Projects"), list));
  rows[0]?.link.focus();
  await Promise.all(rows.map(async ({ name, count }) => {
    const tasks = await service.tasks(name);
    const left = tasks.filter(({ status }) => !isDone(status)).length;
    count.textContent = left ? `${left} to do` : "nothing to do";
  }));
}
