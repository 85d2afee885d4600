//! Questions to the store that many readers have at once, asked once for all of them.
//!
//! An answer counts only for those who were there before its question was asked: a reader wants
//! to know that nothing was invalidated before it came. So nobody joins a question under way;
//! whoever finds enough of them under way waits for the next, which is asked for all who wait.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How many questions about one subject may be under way: so few that a crowd is no burden, so
/// many that a slow answer holds up nobody in quieter times.
const WIDTH: usize = 4;

/// Questions by subject.
pub(crate) struct Questions<K, T>(Arc<Mutex<HashMap<K, Subject<T>>>>);

struct Subject<T> {
    under_way: usize,
    next: Option<Round<T>>,
}

/// A question that is yet to be asked, and where its answer goes.
struct Round<T> {
    question: BoxFuture<'static, T>,
    answer: watch::Sender<Option<T>>,
    runtime: Handle,
}

enum Place<T> {
    /// The reader asks for itself.
    Own,
    /// The reader waits for a question that has not been asked yet.
    Next(watch::Receiver<Option<T>>),
}

impl<T> Subject<T> {
    /// There is a next round only while [`WIDTH`] questions are under way.
    fn arrive(&mut self, question: impl FnOnce() -> BoxFuture<'static, T>) -> Place<T> {
        if self.under_way < WIDTH {
            self.under_way += 1;
            return Place::Own;
        }
        let next = self.next.get_or_insert_with(|| Round {
            question: question(),
            answer: watch::Sender::new(None),
            runtime: Handle::current(),
        });
        Place::Next(next.answer.subscribe())
    }

    /// A question has ended; the round that takes its place, if somebody waits.
    fn end(&mut self) -> Option<Round<T>> {
        let next = self.next.take();
        if next.is_none() {
            self.under_way -= 1;
        }
        next
    }
}

/// A question under way. It ends when this is dropped: with its answer, its reader or a panic.
struct UnderWay<K: Eq + Hash + Clone + Send + 'static, T: Clone + Send + Sync + 'static> {
    questions: Questions<K, T>,
    subject: K,
}

impl<K, T> Drop for UnderWay<K, T>
where
    K: Eq + Hash + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        let next = self.questions.end(&self.subject);
        if let Some(next) = next {
            let asking = Self {
                questions: self.questions.clone(),
                subject: self.subject.clone(),
            };
            next.runtime.spawn(async move {
                let answer = next.question.await;
                drop(asking);
                next.answer.send_replace(Some(answer));
            });
        }
    }
}

impl<K, T> Questions<K, T>
where
    K: Eq + Hash + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// The answer to `own`, or to a `shared` question that is asked after this call.
    pub(crate) async fn ask(
        &self,
        subject: &K,
        own: impl Future<Output = T>,
        shared: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> T {
        let _under_way = match self.arrive(subject, shared) {
            Place::Own => Some(UnderWay {
                questions: self.clone(),
                subject: subject.clone(),
            }),
            Place::Next(mut next) => {
                if let Ok(answer) = next.wait_for(Option::is_some).await
                    && let Some(answer) = answer.clone()
                {
                    return answer;
                }
                // The round was lost, with a panic or its runtime.
                None
            }
        };
        own.await
    }

    fn arrive(&self, subject: &K, question: impl FnOnce() -> BoxFuture<'static, T>) -> Place<T> {
        let mut open = self.0.lock();
        let state = open.entry(subject.clone()).or_default();
        state.arrive(question)
    }

    fn end(&self, subject: &K) -> Option<Round<T>> {
        let mut open = self.0.lock();
        let state = open.get_mut(subject)?;
        let next = state.end();
        if state.under_way == 0 {
            open.remove(subject);
        }
        next
    }
}

impl<K, T> Clone for Questions<K, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, T> Default for Questions<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Default for Subject<T> {
    fn default() -> Self {
        Self {
            under_way: 0,
            next: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;

    /// Answers a question with its number, when it is let.
    #[derive(Default)]
    struct Oracle {
        asked: AtomicUsize,
        lets: Mutex<HashMap<usize, Arc<Semaphore>>>,
    }

    impl Oracle {
        async fn answer(self: Arc<Self>) -> usize {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            let gate = self.gate(number);
            gate.acquire().await.unwrap().forget();
            number
        }

        fn gate(&self, number: usize) -> Arc<Semaphore> {
            let mut lets = self.lets.lock();
            Arc::clone(
                lets.entry(number)
                    .or_insert_with(|| Arc::new(Semaphore::new(0))),
            )
        }

        fn let_go(&self, number: usize) {
            self.gate(number).add_permits(1);
        }
    }

    type Shop = (Questions<(), usize>, Arc<Oracle>);

    fn readers(shop: &Shop, count: usize) -> Vec<JoinHandle<usize>> {
        let reader = |_| {
            let (questions, oracle) = shop.clone();
            tokio::spawn(async move {
                let own = Arc::clone(&oracle).answer();
                questions.ask(&(), own, || oracle.answer().boxed()).await
            })
        };
        (0..count).map(reader).collect()
    }

    async fn quiet() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_crowd_asks_once_more_and_never_takes_an_answer_from_before_it_came() {
        let shop = Shop::default();
        let first = readers(&shop, WIDTH);
        quiet().await;
        let crowd = readers(&shop, 1_000);
        quiet().await;
        assert_eq!(shop.1.asked.load(Ordering::SeqCst), WIDTH);
        shop.1.let_go(0);
        quiet().await;
        assert_eq!(shop.1.asked.load(Ordering::SeqCst), WIDTH + 1);
        // The crowd's question is under way now, so it is none for those who come.
        let late = readers(&shop, 10);
        quiet().await;
        shop.1.let_go(WIDTH);
        for reader in crowd {
            assert_eq!(reader.await.unwrap(), WIDTH);
        }
        shop.1.let_go(WIDTH + 1);
        for reader in late {
            assert_eq!(reader.await.unwrap(), WIDTH + 1);
        }
        (1..WIDTH).for_each(|number| shop.1.let_go(number));
        for (number, reader) in first.into_iter().enumerate() {
            assert_eq!(reader.await.unwrap(), number);
        }
        assert!(shop.0.0.lock().is_empty(), "nothing is left behind");
    }

    #[tokio::test]
    async fn a_reader_who_goes_away_lets_the_next_question_be_asked() {
        let shop = Shop::default();
        let first = readers(&shop, WIDTH);
        quiet().await;
        let crowd = readers(&shop, 10);
        quiet().await;
        first[0].abort();
        shop.1.let_go(WIDTH);
        for reader in crowd {
            assert_eq!(reader.await.unwrap(), WIDTH);
        }
    }

    #[tokio::test]
    async fn a_question_that_panics_is_asked_again_by_each() {
        let questions = Questions::<(), usize>::default();
        let stuck: Vec<_> = (0..WIDTH)
            .map(|_| {
                let questions = questions.clone();
                let shared = || std::future::pending().boxed();
                tokio::spawn(
                    async move { questions.ask(&(), std::future::pending(), shared).await },
                )
            })
            .collect();
        quiet().await;
        let reader = {
            let questions = questions.clone();
            let shared = || async { panic!("a test") }.boxed();
            tokio::spawn(async move { questions.ask(&(), async { 7 }, shared).await })
        };
        quiet().await;
        stuck.iter().for_each(JoinHandle::abort);
        assert_eq!(reader.await.unwrap(), 7);
        quiet().await;
        assert!(questions.0.lock().is_empty());
    }
}
