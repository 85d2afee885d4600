//! From a type to a module.

/// Makes `$policy` the policy of this module: `register!(Catalogue);`, once, in a crate whose
/// type is `cdylib`. Outside WebAssembly it only checks that the type is a [`crate::Policy`].
#[macro_export]
macro_rules! register {
    ($policy:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(
            unsafe_code,
            reason = "the generated exports are called by the engine across the module's boundary"
        )]
        const _: () = {
            impl $crate::guest::Registered for $policy {
                fn slot() -> &'static ::std::thread::LocalKey<$crate::guest::Slot<Self>> {
                    ::std::thread_local! {
                        static SLOT: $crate::guest::Slot<$policy> =
                            const { $crate::guest::Slot::new() };
                    }
                    &SLOT
                }
            }
            type Exported = $crate::guest::Exported<$policy>;
    $crate::guest::bindings::export!(Exported with_types_in $crate::guest::bindings);
        };

        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn is_a_policy<P: $crate::Policy>() {}
            is_a_policy::<$policy>();
        };
    };
}
