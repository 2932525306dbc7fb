/** The script of the reader's page: finds out who reads, and opens the page. */
import { readFiles, Service, ServiceError } from "./page/files";
import { ReaderPage } from "./page/page";
import { projectList } from "./page/projects";
import { h } from "./ui/dom";

function say(root: HTMLElement, title: string, hint: string): void {
  const again = h("button", { type: "button", class: "page-main" }, "Try again");
  again.addEventListener("click", () => location.reload());
  root.replaceChildren(h("main", { class: "page-list", role: "alert" }, h("h1", {}, title), h("p", {}, hint), again));
}

async function start(root: HTMLElement): Promise<void> {
  const service = new Service(readFiles(root));
  try {
    const { projects } = await service.me();
    const asked = new URLSearchParams(location.search).get("project");
    const project = projects.find(({ name }) => name === asked) ?? (projects.length > 1 ? null : projects[0]);
    if (project === undefined) return say(root, "There is nothing for you to read yet", "Ask the study team to give you cases.");
    root.replaceChildren();
    if (project === null) return await projectList(service, projects.map(({ name }) => name), root);
    const others = projects.length > 1 ? (): void => location.assign(location.pathname) : null;
    await new ReaderPage(service, project.name, root, others).start();
  } catch (error) {
    if (error instanceof ServiceError && error.status === 401) return say(root, "You are logged out", "Log in to go on.");
    say(root, "The service does not answer", error instanceof Error ? error.message : String(error));
  }
}

void start(document.body);
