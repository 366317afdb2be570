//! Who is let in. Salted hashes are checked beside the loop, one at a time; whoever guesses is slowed down, and nobody else:
//! each source of guesses waits in a lane of its own, and gives up its place to others while it does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio::time::{Instant, sleep};

use super::auth::{self, Claim, same};
use super::life::Life;
use super::refusals::Refusals;
use super::source::Source;
use crate::api::Surface;
use crate::config::spec::{Credentials, Password};

/// Wrong passwords from one source before it is slowed down.
const FREE: u32 = 5;
/// How long each of the others takes.
const PENALTY: Duration = Duration::from_secs(1);
/// After so long without a wrong one, all is forgotten.
const MEMORY: Duration = Duration::from_secs(60);
/// Sources that are remembered.
const SOURCES: usize = 1024;

/// The wrong passwords of a source; locked while one of its claims is being checked, and while it is made to wait.
type Lane = Arc<tokio::sync::Mutex<Failures>>;

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

/// The password of a server.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    username: String,
    password: Arc<Password>,
    /// What was found right last, where that took long: a digest.
    proved: Mutex<Option<[u8; 32]>>,
    /// For those whose claims take long to check.
    turn: Semaphore,
    lanes: Mutex<HashMap<Source, Lane>>,
    refusals: Refusals,
}

impl Gate {
    /// Asks for these, and tells of those who do not know them.
    #[must_use]
    pub fn new(credentials: Credentials, refusals: Refusals) -> Self {
        Self(Arc::new(Inner {
            username: credentials.username,
            password: Arc::new(credentials.password),
            proved: Mutex::default(),
            turn: Semaphore::new(1),
            lanes: Mutex::default(),
            refusals,
        }))
    }

    /// The name of whoever has proved with this header who it is.
    pub async fn admit(&self, header: Option<&[u8]>, surface: Surface, life: &Arc<Life>) -> Option<String> {
        let claim = header.and_then(Claim::read)?;
        if self.0.holds_quickly(&claim) {
            return Some(claim.user);
        }
        let _spared = life.waits();
        let failures = self.0.lane(Source::of(surface))?.lock_owned().await;
        let gate = Arc::clone(&self.0);
        // A task of its own: whoever hangs up waits all the same, and so does the next claim from there.
        tokio::spawn(async move { gate.examine(claim, failures, surface).await }).await.ok().flatten()
    }
}

impl Inner {
    async fn examine(
        &self,
        claim: Claim,
        mut failures: OwnedMutexGuard<Failures>,
        surface: Surface,
    ) -> Option<String> {
        // A client that opens several connections has shown it with the first.
        if self.holds_quickly(&claim) || self.holds(&claim).await {
            failures.count = 0;
            return Some(claim.user);
        }
        self.refusals.tell(surface);
        if failures.last.elapsed() > MEMORY {
            failures.count = 0;
        }
        *failures = Failures { count: failures.count.saturating_add(1), last: Instant::now() };
        if failures.count > FREE {
            sleep(PENALTY).await;
        }
        None
    }

    /// Right, as far as that is known without much work.
    fn holds_quickly(&self, claim: &Claim) -> bool {
        let user = same(claim.user.as_bytes(), self.username.as_bytes());
        match &*self.password {
            Password::Plain(_) | Password::Sha1(_) => user & auth::fits(&self.password, &claim.password),
            Password::Pbkdf2(_) => {
                let proved = *self.proved();
                proved.is_some_and(|proved| proved.ct_eq(&digest(&self.password, claim)).into())
            }
        }
    }

    /// Right, found out with much work; the last one that was is remembered.
    async fn holds(&self, claim: &Claim) -> bool {
        if !matches!(*self.password, Password::Pbkdf2(_)) {
            return false;
        }
        let Ok(_turn) = self.turn.acquire().await else { return false };
        let (password, given) = (Arc::clone(&self.password), claim.password.clone());
        let fits = tokio::task::spawn_blocking(move || auth::fits(&password, &given)).await.unwrap_or(false);
        let holds = fits & same(claim.user.as_bytes(), self.username.as_bytes());
        if holds {
            *self.proved() = Some(digest(&self.password, claim));
        }
        holds
    }

    fn proved(&self) -> MutexGuard<'_, Option<[u8; 32]>> {
        self.proved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: so many guess at once that whoever comes later is refused unheard.
    fn lane(&self, source: Source) -> Option<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= SOURCES && !lanes.contains_key(&source) {
            let remembered = |lane: &Lane| match lane.try_lock() {
                Ok(failures) => failures.last.elapsed() <= MEMORY,
                Err(_) => true,
            };
            lanes.retain(|_, lane| remembered(lane));
            if lanes.len() >= SOURCES {
                // More than can be remembered guess at once: those that have been told are forgotten.
                lanes.retain(|_, lane| lane.try_lock().is_err());
            }
            if lanes.len() >= SOURCES {
                return None;
            }
        }
        let fresh = || Arc::new(tokio::sync::Mutex::new(Failures { count: 0, last: Instant::now() }));
        Some(Arc::clone(lanes.entry(source).or_insert_with(fresh)))
    }
}

/// Names a claim without keeping it.
fn digest(password: &Password, claim: &Claim) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [password.to_string().as_str(), &claim.user, &claim.password] {
        digest.update(part.len().to_ne_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::super::life::Connections;
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use std::net::{IpAddr, SocketAddr};

    fn gate(password: &Password) -> Gate {
        let credentials = Credentials { username: "me".into(), password: password.clone() };
        Gate::new(credentials, Refusals::new(|_| ()))
    }

    fn from(address: &str) -> Surface {
        Surface::Inet { address: SocketAddr::new(address.parse().unwrap(), 1) }
    }

    async fn admits(gate: &Gate, claim: &str, surface: Surface) -> bool {
        let life = Connections::default().enter(surface);
        let _busy = life.busy();
        let header = format!("Basic {}", STANDARD.encode(claim));
        gate.admit(Some(header.as_bytes()), surface, &life).await.is_some()
    }

    #[tokio::test]
    async fn passwords_of_every_form_let_in() {
        let salted = auth::hashed("secret", 20_000).unwrap();
        let sha1 = "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4";
        for password in [Password::parse("secret").unwrap(), Password::parse(sha1).unwrap(), salted] {
            let gate = gate(&password);
            let here = from("127.0.0.1");
            assert!(admits(&gate, "me:secret", here).await);
            {
                let _nobody_computes = gate.0.turn.acquire().await.unwrap();
                assert!(admits(&gate, "me:secret", here).await);
            }
            assert!(!admits(&gate, "me:wrong", here).await);
            assert!(!admits(&gate, "you:secret", here).await);
            let hash = password.to_string();
            assert!(hash == "secret" || !admits(&gate, &format!("me:{hash}"), here).await);
            assert!(admits(&gate, "me:secret", here).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_guesses_is_slowed_down_and_nobody_else() {
        let gate = gate(&Password::Plain("secret".into()));
        let (guesser, neighbour, other) = (from("2001:db8::1"), from("2001:db8::2"), from("2001:db8:0:1::1"));
        let began = Instant::now();
        for _ in 0..FREE {
            assert!(!admits(&gate, "me:wrong", guesser).await);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        tokio::join!(
            async {
                assert!(!admits(&gate, "me:wrong", guesser).await);
                assert!(!admits(&gate, "me:wrong", neighbour).await);
                assert_eq!(began.elapsed(), 2 * PENALTY);
            },
            async {
                assert!(!admits(&gate, "me:wrong", other).await);
                assert!(admits(&gate, "me:secret", guesser).await);
                assert_eq!(began.elapsed(), Duration::ZERO);
            }
        );
        tokio::time::advance(MEMORY + PENALTY).await;
        let began = Instant::now();
        assert!(!admits(&gate, "me:wrong", guesser).await);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_up_spares_nobody_the_wait() {
        let gate = gate(&Password::Plain("secret".into()));
        let here = from("127.0.0.1");
        let began = Instant::now();
        for _ in 0..FREE {
            assert!(!admits(&gate, "me:wrong", here).await);
        }
        for _ in 0..3 {
            let hasty = tokio::time::timeout(PENALTY / 10, admits(&gate, "me:wrong", here));
            assert!(hasty.await.is_err());
        }
        assert!(!admits(&gate, "me:wrong", here).await);
        assert_eq!(began.elapsed(), 2 * PENALTY);
    }

    #[tokio::test]
    async fn the_sources_that_are_remembered_are_limited() {
        let gate = gate(&Password::Plain("secret".into()));
        for number in 0..2 * u32::try_from(SOURCES).unwrap() {
            let address = IpAddr::from(number.to_be_bytes()).to_string();
            assert!(!admits(&gate, "me:wrong", from(&address)).await);
        }
        assert!(gate.0.lanes.lock().unwrap().len() <= SOURCES);
    }
}
