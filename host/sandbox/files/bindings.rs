//! The types and traits of `wasi:filesystem`, generated from `wit/deps`.
//!
//! Streams, errors and times are those of wasmtime-wasi, so one resource table
//! serves its interfaces and ours.

wasmtime::component::bindgen!({
    path: "wit",
    inline: "
        package wasm-coordinator:files;

        world files {
            import wasi:filesystem/types@0.2.12;
            import wasi:filesystem/preopens@0.2.12;
        }
    ",
    world: "wasm-coordinator:files/files",
    imports: { default: trappable },
    require_store_data_send: true,
    trappable_error_type: { "wasi:filesystem/types.error-code" => super::codes::Failure },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:filesystem/types.descriptor": super::descriptor::Descriptor,
        "wasi:filesystem/types.directory-entry-stream": super::descriptor::Listing,
    },
});
