// One panel: asks, prepares, and hands over to what draws its kind.
import { LoadingState } from "@grafana/data";
import { ErrorBoundaryAlert, PanelChrome } from "@grafana/ui";
import { useEffect, useState } from "react";

import { framesOf } from "./frames.js";
import { KINDS } from "./kinds/index.js";
import { dressed, transformed } from "./options.js";
import { replaced } from "./variables.js";

const CENTERED = {
  display: "flex",
  height: "100%",
  alignItems: "center",
  justifyContent: "center",
  textAlign: "center",
};

/** `settings` are `{range, scrapeSeconds, variables, theme, annotations}`; `onDone` hears how it went. */
export function Panel({ panel, settings, width, height, onDone }) {
  const answer = useAnswer(panel, settings, width, onDone);
  const title = replaced(panel.title ?? "", settings.variables, "text");
  const failure = answer.failure?.message;
  return (
    <PanelChrome
      title={title}
      description={panel.description}
      width={width}
      height={height}
      padding={panel.type === "table" ? "none" : "md"}
      displayMode={panel.transparent ? "transparent" : "default"}
      loadingState={answer.frames || failure ? LoadingState.Done : LoadingState.Loading}
      statusMessage={failure}
    >
      {(innerWidth, innerHeight) => {
        if (!answer.frames) {
          return <div style={CENTERED}>{failure}</div>;
        }
        if (answer.isEmpty) {
          return <div style={CENTERED}>{panel.fieldConfig?.defaults?.noValue ?? "No data"}</div>;
        }
        const Kind = KINDS[panel.type];
        const place = { width: innerWidth, height: innerHeight };
        return (
          <ErrorBoundaryAlert>
            <Kind panel={panel} frames={answer.frames} {...settings} {...place} />
          </ErrorBoundaryAlert>
        );
      }}
    </PanelChrome>
  );
}

function useAnswer(panel, settings, width, onDone) {
  const [answer, setAnswer] = useState({});
  useEffect(() => {
    prepared(panel, settings, width)
      .catch((failure) => ({ failure }))
      .then((found) => {
        setAnswer(found);
        onDone(panel, found);
      });
  }, [panel, settings, width, onDone]);
  return answer;
}

async function prepared(panel, { range, scrapeSeconds, variables, theme }, width) {
  if (!KINDS[panel.type]) {
    throw new Error(`Expected a kind among ${Object.keys(KINDS).join(", ")}, got ${panel.type}.`);
  }
  const asked = await framesOf(panel, { range, width, scrapeSeconds, variables });
  const frames = await transformed(panel, asked, variables);
  const isEmpty = panel.type !== "text" && frames.every((frame) => frame.length === 0);
  return { frames: dressed(panel, frames, theme, variables), isEmpty };
}
