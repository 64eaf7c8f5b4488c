//! Names that many senders ask for: one look-up for all who ask at the same time, and not too many at once.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::mailbox::Mailbox;
use crate::logic::{Nanos, SECOND};
use crate::net::Error;
use crate::net::clock::EverClock;
use crate::net::event_queue::lock;
use crate::net::resolve::resolve_all;

/// Look-ups at once, each in a thread of its own: so many names may be slow before another has to wait.
const MOST: usize = 64;
/// For so long an answer serves those who ask later; nobody asks more often than every two seconds.
const FRESH: Nanos = SECOND;

/// What was found, or why nothing was.
pub(super) type Answer = Result<Vec<SocketAddr>, Arc<Error>>;

/// A host and a port.
pub(super) type Name = (Arc<str>, u16);

/// The names that are looked up now, and the answers that are still fresh.
#[derive(Debug)]
pub(super) struct Hosts {
    clock: EverClock,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    pages: HashMap<Name, Page>,
    queue: VecDeque<Name>,
    threads: usize,
}

#[derive(Debug)]
enum Page {
    /// These want to know.
    Asking(Vec<Reader>),
    /// This was found then.
    Found(Nanos, Answer),
}

/// A sender that asks.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    slot: Arc<Mutex<Option<Answer>>>,
    mailbox: Arc<Mailbox>,
    key: u64,
}

impl Reader {
    /// When told something, it calls the sender with this key.
    pub(super) fn new(mailbox: &Arc<Mailbox>, key: u64) -> Self {
        Self { slot: Arc::default(), mailbox: Arc::clone(mailbox), key }
    }

    /// What has been told since the last call.
    pub(super) fn take(&self) -> Option<Answer> {
        lock(&self.slot).take()
    }

    pub(super) fn tell(&self, answer: Answer) {
        *lock(&self.slot) = Some(answer);
        self.mailbox.call(self.key);
    }
}

impl Hosts {
    pub(super) fn new(clock: EverClock) -> Self {
        Self { clock, book: Mutex::default() }
    }

    /// Tells `reader` the addresses of a name: at once, or from another thread, however long that takes.
    pub(super) fn look_up(&'static self, name: &Name, reader: Reader) {
        let now = self.clock.now();
        let is_fresh = |at: Nanos| now - at < FRESH;
        let mut book = lock(&self.book);
        match book.pages.get_mut(name) {
            Some(Page::Asking(readers)) => return readers.push(reader),
            Some(Page::Found(at, answer)) if is_fresh(*at) => return reader.tell(answer.clone()),
            _ => {}
        }
        book.pages.retain(|_, page| !matches!(page, Page::Found(at, _) if !is_fresh(*at)));
        book.pages.insert(name.clone(), Page::Asking(vec![reader]));
        book.queue.push_back(name.clone());
        if book.threads == MOST {
            return;
        }
        // Not joined: nobody can say how long a resolver takes.
        let spawned = std::thread::Builder::new().name("udpping name".into()).spawn(|| self.work());
        match spawned {
            Ok(_) => book.threads += 1,
            // Those who work now will come to it.
            Err(_) if book.threads > 0 => {}
            Err(source) => {
                book.queue.clear();
                let error = Arc::new(Error::System { action: "start a thread", source });
                drop(book);
                self.tell(name, &Err(error));
            }
        }
    }

    /// Looks up names as long as there are some.
    fn work(&self) {
        while let Some(name) = self.next() {
            let (host, port) = &name;
            self.tell(&name, &resolve_all(host, *port).map_err(Arc::new));
        }
    }

    fn next(&self) -> Option<Name> {
        let mut book = lock(&self.book);
        let name = book.queue.pop_front();
        if name.is_none() {
            book.threads -= 1;
        }
        name
    }

    /// Tells all who have asked.
    fn tell(&self, name: &Name, answer: &Answer) {
        let page = Page::Found(self.clock.now(), answer.clone());
        let before = lock(&self.book).pages.insert(name.clone(), page);
        let Some(Page::Asking(readers)) = before else { return };
        for reader in readers {
            reader.tell(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::socket::Backend;
    use crate::net::wait::Bell;

    fn hosts() -> &'static Hosts {
        Box::leak(Box::new(Hosts::new(EverClock::start())))
    }

    fn wait(reader: &Reader, bell: &Bell) -> Answer {
        loop {
            if let Some(answer) = reader.take() {
                return answer;
            }
            reader.mailbox.poller.wait(bell, Some(SECOND), &mut Vec::new()).unwrap();
        }
    }

    fn found_at(hosts: &Hosts, name: &Name) -> Nanos {
        match lock(&hosts.book).pages.get(name) {
            Some(Page::Found(at, _)) => *at,
            page => panic!("{page:?}"),
        }
    }

    #[test]
    fn one_look_up_serves_all_who_ask_meanwhile_and_for_a_moment_after() {
        for host in ["localhost", "no..such..host"] {
            let hosts = hosts();
            let name: Name = (host.into(), 9);
            let (mailbox, bell) = Mailbox::open(Backend::best()).unwrap();
            let readers: Vec<Reader> = (0..1_000).map(|key| Reader::new(&mailbox, key)).collect();
            let (first, others) = readers.split_first().unwrap();
            hosts.look_up(&name, first.clone());
            for reader in others {
                hosts.look_up(&name, reader.clone());
                assert!(lock(&hosts.book).threads <= 1);
            }
            let answer = wait(first, &bell);
            assert_eq!(answer.is_ok(), host == "localhost");
            let at = found_at(hosts, &name);
            for reader in others {
                assert_eq!(
                    wait(reader, &bell).map_err(|error| error.to_string()),
                    answer.clone().map_err(|error| error.to_string())
                );
            }
            assert_eq!(found_at(hosts, &name), at);
        }
    }

    #[test]
    fn many_names_are_looked_up_a_few_at_a_time_and_forgotten() {
        let hosts = hosts();
        let (mailbox, bell) = Mailbox::open(Backend::best()).unwrap();
        let readers: Vec<Reader> = (0..300).map(|key| Reader::new(&mailbox, key)).collect();
        for reader in &readers {
            hosts.look_up(&(format!("no..such..host{}", reader.key).into(), 9), reader.clone());
            assert!(lock(&hosts.book).threads <= MOST);
        }
        for reader in &readers {
            let error = wait(reader, &bell).unwrap_err().to_string();
            assert!(error.contains(&format!("no..such..host{}\"", reader.key)), "{error}");
        }
        for page in lock(&hosts.book).pages.values_mut() {
            *page = Page::Found(-FRESH, Ok(Vec::new()));
        }
        hosts.look_up(&("localhost".into(), 9), readers[0].clone());
        wait(&readers[0], &bell).unwrap();
        assert_eq!(lock(&hosts.book).pages.len(), 1);
    }
}
