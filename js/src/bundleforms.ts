/** Forms for the answers and for labels as a module of their own, fetched by the first page with such labels. */
import type { FormsModule } from "./ui/formsmodule";
import { AnswersPanel } from "./ui/forms/answers";
import { editLabel } from "./ui/forms/labeleditor";

export default function open(): FormsModule {
  return { answers: (scene, signal) => new AnswersPanel(scene, signal), editLabel };
}
