//! SIP transactions of a capture: which attempts they were, what was sent again, what was answered.
//!
//! A request that several hops of the capture carry counts at the hop where it was seen first, by the branch of its
//! topmost Via: that is nearest to the user who waits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::signalling::Heard;
use crate::analysis::measure::model::{SipMetrics, SipRequests, SipResponses};
use crate::analysis::measure::rfc6076::{self, Bye, Final, Outcome, Registration, Session, TIMEOUT};
use crate::units::{RunTime, Span};
use crate::wire::limits::{MOST_HOSTS_OF_A_CALL, MOST_TRANSACTIONS};
use crate::wire::sip::Message;

/// The same message again within this time is a copy of a mirror port: nobody retransmits so soon (T1 is 500 ms).
const COPY_WITHIN: Span = Span::from_millis(50);
/// Timers B and F, 64 · T1 (RFC 3261 §17.1): without an answer for so long an attempt has failed.
pub(super) const TIMER: Span = Span::from_secs(32);
/// What [`Transactions::left_out`] counts.
pub(super) const LEFT_OUT: &str = "SIP messages of transactions beyond the number that is kept were left out";

/// All transactions by Call-ID.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    conversations: BTreeMap<String, Conversation>,
    /// Call-IDs of which a message came from or went to an address that is meant.
    touched: BTreeSet<String>,
    /// Hosts by Call-ID, where only some calls are shown.
    hosts: BTreeMap<String, BTreeSet<IpAddr>>,
    count: usize,
    left_out: u64,
}

/// Transactions by who asked (tag of From), method and number.
type Conversation = BTreeMap<(String, String, u32), Transaction>;

#[derive(Debug)]
struct Transaction {
    branch: String,
    /// Its first octet; absent when only answers were seen.
    sent: Option<RunTime>,
    /// The last octet of its first message.
    whole: RunTime,
    /// It opens a dialog or stands outside of any.
    initial: bool,
    last_request: RunTime,
    retransmissions: u64,
    /// First provisional answer of any kind.
    heard: bool,
    /// First provisional answer that tells the user something.
    status: Option<RunTime>,
    outcome: Option<Final>,
    /// First octet of the final answer.
    answering: Option<RunTime>,
    /// When each code came last.
    codes: BTreeMap<u16, RunTime>,
    response_retransmissions: u64,
}

impl Transactions {
    /// Takes a message.
    pub(super) fn message(&mut self, heard: Heard, message: &Message<'_>) {
        let (Some(call_id), Some((number, method))) = (message.call_id(), message.cseq()) else { return };
        let key = (message.from_tag().unwrap_or_default().to_owned(), method.to_owned(), number);
        let branch = message.branch().unwrap_or_default();
        let full = self.count >= MOST_TRANSACTIONS;
        if full && !self.conversations.get(call_id).is_some_and(|conversation| conversation.contains_key(&key)) {
            self.left_out += 1;
            return;
        }
        let conversation = self.conversations.entry(call_id.to_owned()).or_default();
        let transaction = conversation.entry(key).or_insert_with(|| {
            self.count += 1;
            Transaction::new(branch, heard, message)
        });
        if transaction.branch == branch {
            match message.status() {
                Some(code) => transaction.response(heard, code),
                None => transaction.request(heard.begun),
            }
        }
    }

    /// Messages of transactions that came after too many.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// A message of this Call-ID came from or went to an address that is meant.
    pub(super) fn touch(&mut self, call_id: &str) {
        if !self.touched.contains(call_id) && self.touched.len() < MOST_TRANSACTIONS {
            self.touched.insert(call_id.to_owned());
        }
    }

    /// A message of this Call-ID went from one of these hosts to the other.
    pub(super) fn seen_between(&mut self, call_id: &str, hosts: [IpAddr; 2]) {
        if !self.hosts.contains_key(call_id) && self.hosts.len() < MOST_TRANSACTIONS {
            self.hosts.insert(call_id.to_owned(), BTreeSet::new());
        }
        if let Some(known) = self.hosts.get_mut(call_id).filter(|known| known.len() < MOST_HOSTS_OF_A_CALL) {
            known.extend(hosts);
        }
    }

    /// The hosts of these conversations.
    pub(super) fn hosts_of(&self, call_ids: &BTreeSet<String>) -> BTreeSet<IpAddr> {
        call_ids.iter().filter_map(|call_id| self.hosts.get(call_id)).flatten().copied().collect()
    }

    pub(super) fn is_touched(&self, call_id: &str) -> bool {
        self.touched.contains(call_id)
    }

    pub(super) fn call_ids(&self) -> impl Iterator<Item = &str> {
        self.conversations.keys().map(String::as_str)
    }

    /// The metrics of the conversations that are `meant`; `end` is the end of the capture. `None` when there are none.
    pub(super) fn metrics(mut self, end: RunTime, meant: &dyn Fn(&str) -> bool) -> Option<SipMetrics> {
        self.conversations.retain(|call_id, _| meant(call_id));
        if self.conversations.is_empty() {
            return None;
        }
        let all = || self.conversations.values();
        let registrations: Vec<Registration> = all().flat_map(|of| registrations(of, end)).collect();
        let sessions: Vec<Session> = all().flat_map(|of| sessions(of, end)).collect();
        let mut metrics = rfc6076::metrics(&registrations, &sessions);
        (metrics.requests, metrics.responses) = self.counts();
        Some(metrics)
    }

    fn counts(&self) -> (Vec<SipRequests>, Vec<SipResponses>) {
        let mut requests: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
        let mut responses: BTreeMap<(&str, u16), u64> = BTreeMap::new();
        for ((_, method, _), transaction) in self.conversations.values().flatten() {
            let [sent, again, answered_again] = requests.entry(method).or_default();
            *sent += 1;
            *again += transaction.retransmissions;
            *answered_again += transaction.response_retransmissions;
            for code in transaction.codes.keys() {
                *responses.entry((method, *code)).or_default() += 1;
            }
        }
        let requests = requests.into_iter().map(|(method, [transactions, retransmissions, answers])| SipRequests {
            method: method.to_owned(),
            transactions,
            retransmissions,
            response_retransmissions: answers,
        });
        let responses = responses.into_iter().map(|((method, code), count)| SipResponses {
            method: method.to_owned(),
            code,
            count,
        });
        (requests.collect(), responses.collect())
    }
}

impl Transaction {
    fn new(branch: &str, heard: Heard, message: &Message<'_>) -> Transaction {
        Transaction {
            branch: branch.to_owned(),
            sent: message.method().map(|_| heard.begun),
            whole: heard.whole,
            initial: message.method().is_some() && message.to_tag().is_none(),
            last_request: heard.begun,
            retransmissions: 0,
            heard: false,
            status: None,
            outcome: None,
            answering: None,
            codes: BTreeMap::new(),
            response_retransmissions: 0,
        }
    }

    fn request(&mut self, at: RunTime) {
        if at - self.last_request > COPY_WITHIN {
            self.retransmissions += 1;
            self.last_request = at;
        }
    }

    fn response(&mut self, heard: Heard, code: u16) {
        let at = heard.whole;
        if let Some(last) = self.codes.get_mut(&code) {
            if at - *last > COPY_WITHIN {
                self.response_retransmissions += 1;
                *last = at;
            }
            return;
        }
        self.codes.insert(code, at);
        self.heard = true;
        if code >= 200 {
            self.outcome = self.outcome.or(Some((at, code)));
            self.answering = self.answering.or(Some(heard.begun));
        } else if code > 100 {
            self.status = self.status.or(Some(at));
        }
    }

    /// The final answer, or the timeout where it has passed. A provisional answer ends Timer B (RFC 3261 §17.1.1.2)
    /// and not Timer F.
    fn outcome(&self, method: &str, end: RunTime) -> Option<Final> {
        let waits_for_ever = method == "INVITE" && self.heard;
        let fires = self.sent.map(|sent| sent + TIMER).filter(|fires| *fires <= end && !waits_for_ever);
        self.outcome.or(fires.map(|at| (at, TIMEOUT)))
    }

    /// When the user first learned something.
    fn told(&self, outcome: Option<Final>) -> Option<RunTime> {
        self.status.or(outcome.filter(|(_, code)| !rfc6076::is_challenge(*code)).map(|(at, _)| at))
    }
}

/// Transactions of a method that belong together, in order of time: each goes on where the one before was
/// challenged.
fn attempts<'a>(of: &'a Conversation, method: &'a str) -> Vec<Vec<&'a Transaction>> {
    let meant = of.iter().filter(|((_, name, _), transaction)| name == method && transaction.sent.is_some());
    let mut sorted: Vec<&Transaction> =
        meant.map(|(_, transaction)| transaction).filter(|one| one.initial || method != "INVITE").collect();
    sorted.sort_by_key(|transaction| transaction.sent);
    let mut attempts: Vec<Vec<&Transaction>> = Vec::new();
    for transaction in sorted {
        let last = attempts.last().and_then(|attempt| attempt.last());
        let challenged = last.is_some_and(|last| last.outcome.is_some_and(|(_, code)| rfc6076::is_challenge(code)));
        match attempts.last_mut().filter(|_| challenged) {
            Some(attempt) => attempt.push(transaction),
            None => attempts.push(vec![transaction]),
        }
    }
    attempts
}

fn registrations(of: &Conversation, end: RunTime) -> Vec<Registration> {
    let attempts = attempts(of, "REGISTER").into_iter();
    attempts
        .filter_map(|attempt| {
            Some(Registration { sent: attempt.first()?.sent?, outcome: attempt.last()?.outcome("REGISTER", end) })
        })
        .collect()
}

fn sessions(of: &Conversation, end: RunTime) -> Vec<Session> {
    let attempts = attempts(of, "INVITE").into_iter();
    attempts
        .filter_map(|attempt| {
            let last = attempt.last()?;
            let outcome = last.outcome("INVITE", end);
            let (invited, status) = (attempt.first()?.sent?, last.told(outcome));
            Some(Session { invited, status, outcome, answering: last.answering, bye: bye(of, end) })
        })
        .collect()
}

fn bye(of: &Conversation, end: RunTime) -> Option<Bye> {
    let attempt = attempts(of, "BYE").into_iter().next()?;
    let first = attempt.first()?;
    let outcome = attempt.last()?.outcome("BYE", end).filter(|(_, code)| !rfc6076::is_challenge(*code));
    let answered = attempt.last()?.outcome.is_some();
    let outcome = outcome.map(|(at, code)| match code {
        200..300 => Outcome::Confirmed(at),
        TIMEOUT if !answered => Outcome::TimedOut(at),
        _ => Outcome::Refused,
    });
    Some(Bye { sent: first.sent?, whole: first.whole, outcome })
}
