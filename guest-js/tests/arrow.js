// The whole program is one function.
async () => {
  const order = await tools.demo.getOrder({ id: 3 });
  return order.id;
}
