// Fields as they are drawn: a label, a hint, the input, and what is wrong with it.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";
import { pretty } from "../parts/figures";
import { Close } from "../parts/icons";
import { Field, Group, List, Scalar } from "./fields";
import type { Schema } from "./schema";

const INPUT_TYPES: Record<string, "date" | "text" | "email" | "url"> = { date: "date", time: "text", email: "email", uri: "url" };

function range(low: number | undefined, high: number | undefined): string {
  if (low === undefined) return `At most ${high}`;
  return high === undefined ? `At least ${low}` : `${low} to ${high}`;
}

function hints(schema: Schema): string {
  const { description, format, pattern, minimum, maximum, minLength, maxLength } = schema;
  return [
    description,
    format && `Format: ${format}.`,
    pattern && `Pattern: ${pattern}`,
    (minimum ?? maximum) !== undefined && range(minimum, maximum),
    (minLength ?? maxLength) !== undefined && `${range(minLength, maxLength)} characters`,
  ]
    .filter(Boolean)
    .join(" · ");
}

export function FieldView({ field }: { field: Field }) {
  if (field instanceof Group) return <GroupView field={field} />;
  if (field instanceof List) return <ListView field={field} />;
  return <ScalarView field={field as Scalar} />;
}

function Titled({ field, type }: { field: Field; type: string }) {
  return (
    <>
      {field.title} <span class="type">{type}</span>
      {field.required && (
        <>
          {" "}
          <span class="mark">required</span>
        </>
      )}
    </>
  );
}

function Wrong({ field, id }: { field: Field; id?: string }) {
  return (
    <p class="wrong" {...(id ? { id } : {})} hidden={!field.wrong}>
      {field.wrong}
    </p>
  );
}

function ScalarView({ field }: { field: Scalar }) {
  const { id, isBox } = field;
  const label = (
    <label for={id}>
      <Titled field={field} type={field.kind === "json" ? "JSON" : field.kind} />
    </label>
  );
  const hint = hints(field.schema);
  const said = (
    <p class="hint" id={`${id}-hint`} hidden={!hint}>
      {hint}
    </p>
  );
  const input = (
    <Input
      field={field}
      attributes={{
        id,
        "aria-describedby": `${id}-hint ${id}-wrong`,
        ...(field.required && !isBox ? { "aria-required": "true" } : {}),
        ...(field.wrong ? { "aria-invalid": "true" } : {}),
      }}
    />
  );
  return (
    <div class={isBox ? "field check" : "field"}>
      {isBox ? [input, label, said] : [label, said, input]}
      <Wrong field={field} id={`${id}-wrong`} />
    </div>
  );
}

// The input keeps what is typed; the field is told of each change.
function Input({ field, attributes }: { field: Scalar; attributes: Record<string, string> }) {
  const element = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    field.input = element.current;
  }, [field]);
  const { schema, kind, choices } = field;
  const keep = ({ currentTarget }: { currentTarget: { value: string } }): void => {
    field.value = currentTarget.value;
  };
  const shared = { ...attributes, ref: element as never, onInput: keep };
  if (field.isBox) {
    return (
      <input
        {...attributes}
        ref={element as never}
        type="checkbox"
        defaultChecked={field.value === true}
        onInput={({ currentTarget }) => (field.value = currentTarget.checked)}
      />
    );
  }
  if (choices) {
    return (
      <select {...shared} defaultValue={String(field.value)}>
        {(!field.required || !field.hasPreset) && <option value="">{field.required ? "Choose…" : "Left out"}</option>}
        {choices.map((value, index) => (
          <option key={index} value={String(index)}>
            {String(value)}
          </option>
        ))}
      </select>
    );
  }
  const example = schema.examples?.[0];
  const more = { ...shared, defaultValue: String(field.value), ...(example === undefined ? {} : { placeholder: pretty(example) }) };
  if (field.isLong) return <textarea {...more} rows={kind === "json" ? 5 : 3} class={kind === "json" ? "code" : ""} />;
  const attributesOfText = {
    ...more,
    type: INPUT_TYPES[schema.format ?? ""] ?? "text",
    autocomplete: "off",
    inputMode: kind === "integer" ? "numeric" : kind === "number" ? "decimal" : undefined,
  };
  // The types of JSX tell inputs apart by a literal type only.
  return <input {...(attributesOfText as object)} />;
}

function Described({ schema }: { schema: Schema }) {
  return schema.description ? <p class="hint">{schema.description}</p> : null;
}

function GroupView({ field }: { field: Group }) {
  useLayoutEffect(() => {
    field.input = field.fields[0]?.input ?? null;
  }, [field]);
  const inside: ComponentChildren = (
    <>
      <Wrong field={field} />
      {field.fields.map((each) => (
        <FieldView key={each.id} field={each} />
      ))}
    </>
  );
  if (!field.at) return <div>{inside}</div>;
  return (
    <fieldset>
      <legend>
        <Titled field={field} type="object" />
      </legend>
      <Described schema={field.schema} />
      {inside}
    </fieldset>
  );
}

function ListView({ field }: { field: List }) {
  const [, again] = useReducer((count: number) => count + 1, 0);
  const add = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    field.input = add.current;
  }, [field]);
  return (
    <fieldset>
      <legend>
        <Titled field={field} type={`list of ${field.kind}`} />
      </legend>
      <Described schema={field.schema} />
      <ul class="list">
        {field.rows.map((row) => (
          <li key={row.id}>
            <Input field={row} attributes={{ "aria-label": `Item of ${field.title}` }} />
            <button
              type="button"
              class="bare"
              aria-label={`Remove this item of ${field.title}`}
              onClick={() => {
                field.remove(row);
                again(undefined);
                add.current!.focus();
              }}
            >
              <Close />
            </button>
          </li>
        ))}
      </ul>
      <div class="field">
        <button
          ref={add}
          type="button"
          onClick={() => {
            const row = field.add();
            again(undefined);
            requestAnimationFrame(() => row.input?.focus());
          }}
        >
          Add to {field.title}
        </button>
        <Wrong field={field} />
      </div>
    </fieldset>
  );
}
