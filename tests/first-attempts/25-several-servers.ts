// gives: true
import { getCurrentTime } from "servers/time";
import { createEntities, readGraph } from "servers/memory";

await createEntities({ entities: [{ name: "x", entityType: "test", observations: [] }] });
const [time, graph] = await Promise.all([getCurrentTime({ timezone: "UTC" }), readGraph()]);
Boolean(time) && graph.entities.length > 0
