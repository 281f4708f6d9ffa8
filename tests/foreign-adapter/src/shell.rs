//! The component: the shared shell around this crate's two functions.

component_kit::adapter_shell!("../../wit", crate::describe, crate::about);
