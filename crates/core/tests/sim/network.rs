//! The network and the service, and the source that talks to them: what becomes of a request.

use super::adapter::StorageTask;
use super::adapter::{
    AttemptId, Event, MILLI, Micros, SECOND, attempt_failed, probe_failed, probed, received,
    storage_failed, stored,
};
use super::agenda::Happening;
use super::catalogue::Fault;
use super::content::{Object, Tag};
use super::exchange::{Cut, Exchange};
use super::process::Process;
use super::settings::OF_REQUESTS;
use super::weather::Signed;
use ossget_core::{
    ByteRange, Expectation, Failure, PartPlan, Rejection, ResponseHead, Verdict, judge, retry_after,
};
use std::time::Duration;

/// A write failed.
struct Broken;

/// What the service answers.
enum Answer {
    Body(ByteRange),
    Failure(Failure, Option<Duration>),
}

impl Process<'_> {
    pub(crate) fn probe(&mut self) {
        self.watch.probe(self.now, &self.settings);
        self.probes += 1;
        let answer = match self.refusal() {
            Some((failure, wait)) => probe_failed(failure, wait),
            None if !self.healed
                && self.settings.swarm.has(Fault::ServerError)
                && self.faulty() =>
            {
                self.world.hits.count(Fault::ServerError);
                probe_failed(Failure::of_status(502, None), None)
            }
            None => {
                self.probed = self.world.object;
                self.note_change();
                probed(self.world.object.identity(self.world.labels))
            }
        };
        if let Event::ProbeFailed { failure, .. } = &answer {
            self.watch.causes.failures.insert(*failure);
        }
        let trip = self.round_trip();
        self.later(trip, Happening::Report(Box::new(answer)));
    }

    /// Whether the checkpoint is of another content than the one there is now.
    fn note_change(&mut self) {
        let now = self.world.object.identity(self.world.labels);
        if self.store.left_identity().is_some_and(|left| left.difference(&now).is_some()) {
            self.watch.causes.changed = true;
        }
    }

    /// Whether this request meets a fault of its own.
    fn faulty(&mut self) -> bool {
        self.rng.chance(self.settings.percent)
    }

    fn round_trip(&mut self) -> Micros {
        1 + self.rng.below(self.settings.round_trip)
    }

    pub(crate) fn fetch(&mut self, id: AttemptId, range: ByteRange) {
        let live = self.live.values().map(|exchange| &exchange.asked);
        self.watch.fetch(self.now, range, live, &self.settings);
        self.world.requests += 1;
        let mut fault = None;
        if !self.healed && self.faulty() {
            let allowed: Vec<Fault> =
                OF_REQUESTS.iter().copied().filter(|f| self.settings.allows(*f)).collect();
            if !allowed.is_empty() {
                fault = Some(allowed[self.rng.below(allowed.len() as u64) as usize]);
            }
        }
        self.live.insert(id.serial(), Exchange::new(id, range, fault));
        let trip = self.round_trip();
        self.later(trip, Happening::Head(id.serial()));
    }

    /// What keeps the service from answering as it should, whatever is asked.
    fn refusal(&mut self) -> Option<(Failure, Option<Duration>)> {
        let now = self.now;
        if self.weather.is(Fault::Outage, now) {
            self.world.hits.count(Fault::Outage);
            return Some((Failure::Network, None));
        }
        let (skewed, expired) =
            (self.weather.clock_ahead, self.weather.token == super::weather::Token::Expired);
        match self.weather.sign(self.settings.credentials) {
            Signed::Accepted => {}
            Signed::Renewed => self.count_renewal(skewed, expired),
            Signed::ExpiredToken => {
                self.world.hits.count(Fault::ExpiredToken);
                return Some((Failure::of_status(403, Some("SecurityTokenExpired")), None));
            }
            Signed::ClockSkew => {
                self.world.hits.count(Fault::WrongClock);
                return Some((Failure::of_status(403, Some("RequestTimeTooSkewed")), None));
            }
        }
        if self.weather.is(Fault::Forbidden, now) {
            self.world.hits.count(Fault::Forbidden);
            return Some((Failure::of_status(403, Some("AccessDenied")), None));
        }
        if self.weather.is(Fault::Deleted, now) {
            self.world.hits.count(Fault::Deleted);
            return Some((Failure::of_status(404, Some("NoSuchKey")), None));
        }
        if self.weather.is(Fault::Throttled, now) && self.rng.chance(70) {
            self.world.hits.count(Fault::Throttled);
            return Some((Failure::of_status(503, Some("DownloadTrafficRateLimitExceeded")), None));
        }
        None
    }

    fn count_renewal(&mut self, skewed: i64, expired: bool) {
        if skewed != 0 {
            self.world.hits.count(Fault::WrongClock);
        }
        if expired {
            self.world.hits.count(Fault::ExpiredToken);
        }
    }

    /// The response head of an attempt arrives, or what comes instead.
    pub(crate) fn head(&mut self, serial: u64) -> Vec<Event> {
        let Some(mut exchange) = self.live.remove(&serial) else { return Vec::new() };
        if exchange.silent {
            // Nothing comes until the source's own deadline for response heads.
            exchange.silent = false;
            exchange.fault = None;
            self.live.insert(serial, exchange);
            self.agenda_at(self.now + 30 * SECOND, Happening::HeadMissing(serial));
            return Vec::new();
        }
        let answer = match self.refusal() {
            Some((failure, wait)) => Answer::Failure(failure, wait),
            None => self.answer(&mut exchange),
        };
        let granted = match answer {
            Answer::Failure(failure, wait) => return vec![self.end(&exchange, failure, wait)],
            Answer::Body(granted) => granted,
        };
        exchange.granted_end = granted.end();
        let shift = if exchange.fault == Some(Fault::Misrouted) { self.misroute() } else { 0 };
        exchange.tag = Tag::stream(self.served().phase + shift);
        self.plan_body(&mut exchange);
        let head = received(exchange.id, 0);
        self.live.insert(serial, exchange);
        let delay = self.rng.below(self.settings.chunk_delay);
        self.later(delay, Happening::Body(serial));
        let held_back =
            self.settings.allows(Fault::Throttled) && !self.healed && self.rng.chance(2);
        if held_back { vec![head, Event::HeldBack] } else { vec![head] }
    }

    /// The source gives up waiting for a head.
    pub(crate) fn head_missing(&mut self, serial: u64) -> Vec<Event> {
        match self.live.remove(&serial) {
            Some(exchange) => vec![self.end(&exchange, Failure::Network, None)],
            None => Vec::new(),
        }
    }

    fn misroute(&mut self) -> u64 {
        let plan = self.plan();
        self.world.tainted = true;
        self.world.hits.count(Fault::Misrouted);
        (1 + self.rng.below(u64::from(plan.count()))) * plan.part_size()
    }

    pub(crate) fn plan(&self) -> PartPlan {
        self.store.opened.as_ref().expect("prepared first").plan
    }

    /// The content that the requests are pinned to.
    fn served(&self) -> Object {
        self.store.opened.as_ref().expect("prepared first").object
    }

    /// What the service answers to a request that it has no general reason to refuse.
    fn answer(&mut self, exchange: &mut Exchange) -> Answer {
        if self.weather.is(Fault::Bait, self.now) {
            self.world.hits.count(Fault::Bait);
            let baits = [
                Fault::CutAfterOneByte,
                Fault::CutInHeader,
                Fault::RetryAfter,
                Fault::NoContentRange,
                Fault::LongRange,
                Fault::Bait,
            ];
            exchange.fault = Some(baits[self.rng.below(6) as usize]);
        }
        match exchange.fault {
            Some(Fault::CutInStatusLine) => self.fails(Fault::CutInStatusLine, Failure::Network),
            Some(Fault::CutInHeader) => self.fails(Fault::CutInHeader, Failure::Network),
            Some(Fault::DeadIdleConnection) => {
                self.fails(Fault::DeadIdleConnection, Failure::Unsent)
            }
            Some(Fault::Throttled) => {
                self.fails(Fault::Throttled, Failure::of_status(503, Some("QpsLimitExceeded")))
            }
            Some(Fault::ServerError) => {
                let status = [500, 502, 504][self.rng.below(3) as usize];
                self.fails(Fault::ServerError, Failure::of_status(status, None))
            }
            Some(Fault::Unsatisfiable) => {
                self.watch.causes.changed = true;
                self.fails(Fault::Unsatisfiable, Failure::of_status(416, Some("InvalidRange")))
            }
            Some(Fault::RetryAfter) => self.asks_to_wait(),
            _ => self.respond(exchange),
        }
    }

    fn fails(&mut self, fault: Fault, failure: Failure) -> Answer {
        self.world.hits.count(fault);
        Answer::Failure(failure, None)
    }

    fn asks_to_wait(&mut self) -> Answer {
        self.world.hits.count(Fault::RetryAfter);
        let bait = self.weather.is(Fault::Bait, self.now);
        let value = match self.rng.below(8) {
            _ if bait => "0",
            0 => "1",
            1 => "7",
            2 => "1000000000",
            3 => "-5",
            4 => "soon",
            5 => "Mon, 23 Nov 2026 00:00:20 GMT",
            6 => "99999999999999999999999999",
            _ => "",
        };
        // Midnight, as far as this machine's clock is right.
        let local = 1_795_392_000 + self.weather.clock_ahead;
        let asked = retry_after(value.as_bytes(), u64::try_from(local).expect("after 1970"));
        let status = if self.rng.chance(50) { 429 } else { 503 };
        Answer::Failure(Failure::of_status(status, None), asked)
    }

    /// A response with a head of its own, judged as the real source does.
    fn respond(&mut self, exchange: &mut Exchange) -> Answer {
        let opened = self.store.opened.as_ref().expect("prepared first");
        let (identity, object) = (opened.identity.clone(), self.world.object);
        if object != opened.object {
            self.world.hits.count(self.world.last_change);
            self.watch.causes.changed = true;
            if identity.is_pinned() {
                let failure = Failure::of_status(412, Some("PreconditionFailed"));
                return Answer::Failure(failure, None);
            }
        }
        let asked = exchange.asked;
        let mut sent =
            ByteRange::new(asked.start(), asked.end().min(object.size).max(asked.start()))
                .expect("in order");
        let mut etag = object.etag(self.world.labels);
        let crc = self.world.labels.crc.then(|| object.crc64().to_string());
        let mut status = 206;
        let mut with_range = true;
        match exchange.fault {
            Some(Fault::LongRange) => {
                sent = ByteRange::new(sent.start(), sent.end() + 1).expect("in order");
            }
            Some(Fault::ShorterRange) if sent.len() > 1 => {
                let len = 1 + self.rng.below(sent.len() - 1);
                sent = ByteRange::new(sent.start(), sent.start() + len).expect("in order");
            }
            Some(Fault::RangeIgnored) => {
                status = 200;
                sent = ByteRange::new(0, object.size).expect("in order");
                with_range = false;
            }
            Some(Fault::NoContentRange) => with_range = false,
            Some(Fault::OtherETag) => {
                etag = Some("\"somebody else's\"".into());
                self.watch.causes.changed = true;
            }
            _ => {}
        }
        let content_range = self.content_range(exchange.fault, sent, object.size);
        let head = ResponseHead::new(status)
            .content_range(with_range.then_some(content_range.as_bytes()))
            .content_length(sent.len())
            .etag(etag.as_deref().map(str::as_bytes))
            .crc64(crc.as_deref().map(str::as_bytes));
        match judge(&head, &Expectation { range: asked, identity: &identity }) {
            Verdict::Accept { range } => {
                if matches!(exchange.fault, Some(Fault::ShorterRange)) && range != asked {
                    self.world.hits.count(Fault::ShorterRange);
                }
                Answer::Body(range)
            }
            Verdict::Reject(rejection) => {
                self.count_rejection(exchange.fault, rejection);
                self.watch.causes.changed |= rejection.failure() == Failure::Changed;
                Answer::Failure(rejection.failure(), None)
            }
        }
    }

    fn content_range(&mut self, fault: Option<Fault>, sent: ByteRange, total: u64) -> String {
        let (start, last) = (sent.start(), sent.end().wrapping_sub(1));
        if fault != Some(Fault::WrongContentRange) {
            return format!("bytes {start}-{last}/{total}");
        }
        match self.rng.below(7) {
            0 => format!("bytes {}-{last}/{total}", start + 1),
            1 => format!("bytes {start}-{last}/{}", total + 1),
            2 => format!("bytes {start}-{last}/*"),
            3 => format!("bytes */{total}"),
            4 => format!("bytes {start}-18446744073709551616/{total}"),
            5 => format!("bytes -{start}-{last}/{total}"),
            _ => format!("bytes {last}-{start}/{total} x"),
        }
    }

    fn count_rejection(&mut self, fault: Option<Fault>, rejection: Rejection) {
        let caused = match fault {
            Some(Fault::OtherETag) => matches!(rejection, Rejection::Changed(_)),
            Some(
                Fault::LongRange
                | Fault::RangeIgnored
                | Fault::NoContentRange
                | Fault::WrongContentRange,
            ) => true,
            _ => false,
        };
        if let Some(fault) = fault.filter(|_| caused) {
            self.world.hits.count(fault);
        }
    }

    /// Decides where a body breaks off, if it does.
    fn plan_body(&mut self, exchange: &mut Exchange) {
        let (start, end) = (exchange.position, exchange.granted_end);
        let inside = |at: u64| at.clamp(start, end - 1);
        let cut = match exchange.fault {
            Some(Fault::CutBeforeBody) => (start, Cut::Reset),
            Some(Fault::CutAfterOneByte) => (inside(start + 1), Cut::Reset),
            Some(Fault::CutInBody) => {
                let part = self.plan().part_size();
                let boundary = (start + self.rng.below(end - start)) / part * part;
                let at = match self.rng.below(5) {
                    0 => boundary.saturating_sub(1),
                    1 => boundary,
                    2 => boundary + 1,
                    3 => end - 1,
                    _ => start + self.rng.below(end - start),
                };
                (inside(at), Cut::Reset)
            }
            Some(Fault::ShortBody) => (start + self.rng.below(end - start), Cut::Reset),
            Some(Fault::Stall) => (start + self.rng.below(end - start), Cut::Silence),
            // An endless body: as much as was granted is of use, the rest ends the attempt.
            Some(Fault::Bait) => (inside(start + 1 + self.rng.below(4096)), Cut::Excess),
            Some(Fault::Trickle) => {
                let lasts = (45 + self.rng.below(100)) * SECOND;
                exchange.trickles_until = Some(self.now + lasts);
                return;
            }
            Some(Fault::FlippedBit) => {
                let at = start + self.rng.below(end - start);
                let bit = 1 << self.rng.below(8);
                exchange.flips.push((at, exchange.tag.byte(at) ^ bit));
                return;
            }
            _ => return,
        };
        exchange.cut = Some(cut);
    }

    /// More of a body arrives, is hashed and written.
    pub(crate) fn body(&mut self, serial: u64) -> Vec<Event> {
        let Some(mut exchange) = self.live.remove(&serial) else { return Vec::new() };
        if exchange.silent {
            self.live.insert(serial, exchange);
            return Vec::new();
        }
        if let Some((at, cut)) = exchange.cut
            && at == exchange.position
        {
            return self.break_off(exchange, cut);
        }
        let (chunk, delay) = self.pace(&exchange);
        let mut until = (exchange.position + chunk).min(exchange.granted_end);
        if let Some((at, _)) = exchange.cut {
            until = until.min(at);
        }
        let mut events = Vec::new();
        if let Err(Broken) = self.take_in(&mut exchange, until, &mut events) {
            let during = StorageTask::Attempt(exchange.id);
            self.watch.causes.poisoned = true;
            events.push(storage_failed(during));
            return events;
        }
        if exchange.position < exchange.granted_end {
            self.live.insert(serial, exchange);
            self.agenda_at(self.now + delay, Happening::Body(serial));
        } else if exchange.position < exchange.asked.end() {
            // Less than was asked for, but all that was promised.
            events.push(self.end(&exchange, Failure::Short, None));
        }
        events
    }

    /// How much arrives, and how long the next arrival takes.
    fn pace(&mut self, exchange: &Exchange) -> (u64, Micros) {
        let delay = 1 + self.rng.below(self.settings.chunk_delay);
        if exchange.trickles_until.is_some_and(|until| until > self.now) {
            return (10, 10 * SECOND);
        }
        if self.weather.is(Fault::Collapse, self.now) {
            self.world.hits.count(Fault::Collapse);
            return ((self.settings.chunk / 20).max(1), (delay * 50).min(15 * SECOND));
        }
        (self.settings.chunk, delay)
    }

    fn break_off(&mut self, exchange: Exchange, cut: Cut) -> Vec<Event> {
        if let Some(fault) = exchange.fault
            && !matches!(cut, Cut::Silence)
            && fault != Fault::Bait
        {
            self.world.hits.count(fault);
        }
        match cut {
            Cut::Reset => vec![self.end(&exchange, Failure::Network, None)],
            Cut::Excess => vec![self.end(&exchange, Failure::Protocol, None)],
            Cut::Silence => {
                self.live.insert(exchange.id.serial(), exchange);
                Vec::new()
            }
        }
    }

    /// Writes a stretch and reports it, part by part.
    fn take_in(
        &mut self,
        exchange: &mut Exchange,
        until: u64,
        events: &mut Vec<Event>,
    ) -> Result<(), Broken> {
        let plan = self.plan();
        let (inode, origin) = {
            let opened = self.store.opened.as_ref().expect("prepared first");
            (opened.inode, plan.extent().start())
        };
        while exchange.position < until {
            self.write_fault()?;
            let part = plan.part_at(exchange.position).expect("inside the extent");
            let part_end = plan.range(part).expect("a part").end();
            let (from, to) = (exchange.position, until.min(part_end));
            let tag = exchange.tag.seen_from(origin);
            self.world.disk.write(inode, (from - origin, to - origin), tag);
            for &(at, byte) in exchange.flips.iter().filter(|(at, _)| (from..to).contains(at)) {
                let at = at - origin;
                self.world.disk.write(inode, (at, at + 1), Tag::Literal(byte));
                self.world.tainted = true;
                self.world.hits.count(Fault::FlippedBit);
            }
            exchange.position = to;
            self.world.received += to - from;
            self.watch.arrived(self.now, to - from);
            if to == part_end {
                events.push(stored(exchange.id, part, exchange.piece()));
                exchange.piece_start = to;
                self.watch.stored(part);
            } else {
                events.push(received(exchange.id, to - from));
            }
        }
        Ok(())
    }

    fn write_fault(&mut self) -> Result<(), Broken> {
        if self.world.disk_full {
            self.world.hits.count(Fault::DiskFull);
            self.watch.causes.storage = true;
            return Err(Broken);
        }
        if std::mem::take(&mut self.weather.write_error) {
            self.world.hits.count(Fault::WriteError);
            self.watch.causes.storage = true;
            return Err(Broken);
        }
        Ok(())
    }

    /// The session has told an attempt to stop.
    pub(crate) fn abort(&mut self, attempt: AttemptId) {
        let Some(exchange) = self.live.remove(&attempt.serial()) else { return };
        if exchange.trickles_until.is_some() {
            self.world.hits.count(Fault::Trickle);
        } else if matches!(exchange.cut, Some((at, Cut::Silence)) if at == exchange.position) {
            self.world.hits.count(Fault::Stall);
        }
        let event = self.end(&exchange, Failure::Aborted, None);
        // At once: nothing may overtake this.
        self.agenda_at(self.now, Happening::Report(Box::new(event)));
    }

    /// All connections die together.
    pub(crate) fn cut_all(&mut self) {
        for exchange in std::mem::take(&mut self.live).into_values() {
            let event = self.end(&exchange, Failure::Network, None);
            let within = self.rng.below(5 * MILLI);
            self.later(within, Happening::Report(Box::new(event)));
        }
    }

    /// The report of an attempt's end.
    fn end(&mut self, exchange: &Exchange, failure: Failure, wait: Option<Duration>) -> Event {
        let tail = exchange.piece();
        let delivered = exchange.position - exchange.asked.start();
        let (position, asked) = (exchange.position, exchange.asked.len());
        self.watch.failed(position, failure, (delivered, asked), tail.bytes);
        self.asked_to_wait.insert(exchange.id.serial(), wait);
        attempt_failed(exchange.id, failure, tail, wait)
    }
}
