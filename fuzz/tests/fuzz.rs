//! Each fuzz target for some seconds, with other inputs each time.

use wasm_coordinator_fuzz::{TARGETS, named, run_for_a_while};

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run_for_a_while(named(stringify!($name)).expect("a target"));
            }
        )*

        #[test]
        fn no_target_is_left_out() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets! {
    frames worker changes files servers clients stubs configuration policy arguments
}
