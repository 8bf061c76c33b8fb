// The form with which a person answers a client tool: fields of its output schema, a text where it has none, or JSON.

import { useEffect, useReducer, useState } from "preact/hooks";
import { firstWrong } from "../form/check";
import { fieldFor, Scalar, type Field } from "../form/fields";
import { resolved, type Schema } from "../form/schema";
import { FieldView } from "../form/views";
import type { ToolCall } from "../tool-call";

const TITLE = "Your answer";
const TEXT: Schema = { type: "string" };

function formOf(schema: Schema | boolean = TEXT): Field {
  const document = typeof schema === "object" ? schema : {};
  return fieldFor(TITLE, resolved(schema, document), document, "", true);
}

export function Asked({ call }: { call: ToolCall }) {
  const { name, output_schema: schema } = call.body;
  const [root, setRoot] = useState(() => formOf(schema));
  const [, again] = useReducer((count: number) => count + 1, 0);
  const isJson = root instanceof Scalar && root.kind === "json";
  useEffect(() => {
    // Who writes a message is not interrupted.
    if (!document.querySelector<HTMLTextAreaElement>("#message")?.value) root.input?.focus();
  }, [root]);
  const answer = (event: Event): void => {
    event.preventDefault();
    const wrong = firstWrong(root);
    again(undefined);
    if (wrong) wrong.input?.focus();
    else call.resolve(root.read());
  };
  return (
    <form
      aria-label={`Answer ${name}`}
      noValidate
      onSubmit={answer}
      onKeyDown={(event) => {
        const isText = root instanceof Scalar && root.kind === "string";
        if (isText && event.key === "Enter" && !event.shiftKey && !event.isComposing) answer(event);
      }}
    >
      <FieldView key={root.id} field={root} />
      <div class="row">
        <button type="submit" class="primary">
          Answer
        </button>
        {!isJson && (
          <button type="button" class="bare" onClick={() => setRoot(formOf(true))}>
            As JSON
          </button>
        )}
      </div>
    </form>
  );
}
