// The alerts: kept fresh, and sent again.

import { onChange } from "./changes.js";
import { keepTime } from "./clock.js";
import { freshen } from "./fragments.js";
import { resendButtons } from "./resend.js";

resendButtons();
onChange(null, freshen);
keepTime();
