//! Takes the digests of the shipped guests, so that the program need not hash
//! megabytes at every start.

fn main() {
    for (variable, path) in [
        ("GUEST_PYTHON_DIGEST", "guests/python.wasm.zst"),
        ("GUEST_JAVASCRIPT_DIGEST", "guests/javascript.wasm.zst"),
    ] {
        println!("cargo::rerun-if-changed={path}");
        let bytes =
            std::fs::read(path).unwrap_or_else(|error| panic!("`{path}` cannot be read: {error}"));
        println!(
            "cargo::rustc-env={variable}={}",
            blake3::hash(&bytes).to_hex()
        );
    }
    println!("cargo::rerun-if-changed=build.rs");
}
