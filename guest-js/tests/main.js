// Nothing calls `main`.
import { getOrder } from "servers/demo";

async function main() {
  return (await getOrder(5)).id;
}
