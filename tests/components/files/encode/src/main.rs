//! `encode IN OUT`: makes a component of a core module that says in a custom
//! section which world it is for.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        panic!("usage: encode IN.wasm OUT.wasm");
    };
    let module = std::fs::read(input).expect("the module can be read");
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .expect("the module is for a world of components");
    std::fs::write(output, component).expect("the component can be written");
}
