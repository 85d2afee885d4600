//! What becomes a test on each ground.

/// Makes a test of each scenario on each ground.
#[macro_export]
macro_rules! races {
    (@in_memory $($name:ident)+) => {
        mod in_memory {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::$name($crate::ground::Ground::Memory).await;
                }
            )+
        }
    };
    (@on $ground:ident $($name:ident)+) => {
        mod $ground {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let ground = $crate::ground::$ground().await;
                    $crate::scenarios::run(super::$name(ground)).await;
                }
            )+
        }
    };
    ($($name:ident),+ $(,)?) => {
        $crate::races! { @in_memory $($name)+ }
        $crate::races! { @on on_memory_with_a_local_queue $($name)+ }
        $crate::races! { @on on_redis $($name)+ }
        $crate::races! { @on on_memory_in_front_of_redis $($name)+ }
        $crate::races! { @on on_a_cluster $($name)+ }
        $crate::races! { @on on_memory_in_front_of_a_cluster $($name)+ }
    };
}

/// Runs a scenario as one task among those of its engines.
pub(crate) async fn run(scenario: impl Future<Output = ()> + Send + 'static) {
    if let Err(lost) = tokio::spawn(scenario).await {
        std::panic::resume_unwind(lost.into_panic());
    }
}
