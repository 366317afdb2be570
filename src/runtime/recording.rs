//! Writing down what was decided before it is done, and going on with what a daemon that has died has written down.

use std::collections::VecDeque;

use super::driver::Driver;
use super::kept::{DEEDS, GROUND, Kept, Recovered};
use crate::api::{Level, Notice};
use crate::engine::{Effect, Input, Pieces as _};
use crate::system::epoll::Epoll;
use crate::system::errno::io_errno_words;

impl Driver {
    /// What we have and know from here on is to be kept.
    pub(super) fn begin_to_keep(&mut self, kept: Kept) {
        let Kept { log, bag, cell } = kept;
        self.children.keep_in(bag);
        self.cell = Some(cell);
        self.record = Some(log);
    }

    /// Writes down what there is to begin with.
    pub(super) fn begin_record(&mut self) {
        self.rewrite(&[]);
    }

    /// Writes down what a turn has changed and what it does.
    pub(super) fn write_down(&mut self, effects: &[Effect]) {
        let Some(record) = &mut self.record else {
            self.children.forget_changes();
            return self.engine.forget_changes();
        };
        if record.is_long() {
            return self.rewrite(effects);
        }
        let frame = record.frame();
        self.engine.write_changes(frame);
        self.children.write_changes(frame);
        frame.deeds(bequeathed(effects));
        if record.append().is_err() {
            self.rewrite(effects);
        }
    }

    /// Writes down everything.
    fn rewrite(&mut self, effects: &[Effect]) {
        let Some(record) = &mut self.record else { return };
        let frame = record.frame();
        self.engine.write_everything(frame);
        self.children.write_everything(frame);
        frame.set(GROUND, &(self.succession.ground)());
        frame.deeds(bequeathed(effects));
        if let Err(error) = record.rewrite() {
            // What is not written down must not be believed by anybody.
            self.record = None;
            Kept::end();
            let why = io_errno_words(&error);
            let text = format!("programs do not outlive a crash of supervisord any more: {why}");
            self.log.note(&Notice::other(Level::Critical, text));
        }
    }

    pub(super) fn deed_is_done(&mut self) {
        if let Some(log) = &mut self.record {
            log.deed_is_done();
        }
    }

    /// Goes on with what a daemon that has died has left.
    pub(super) fn recover(&mut self, poll: &Epoll, recovered: Recovered) {
        let Recovered { kept, engine, pieces, undone, blamed, treasure, .. } = recovered;
        let Kept { log, bag, cell } = kept;
        self.cell = Some(cell);
        self.engine = engine;
        self.children.keep_in(bag);
        let busy = |id: crate::engine::ProcessId| log.busy_with(Some(id.0));
        let (missing, inputs) = self.children.recover(poll, &self.engine, &pieces, treasure, blamed, &busy);
        log.busy_with(Some(DEEDS));
        self.record = Some(log);
        missing.iter().for_each(|notice| self.log.note(notice));
        self.inbox = VecDeque::from([Input::Recovered]);
        self.inbox.extend(inputs);
        for deed in undone {
            self.perform(poll, deed);
            self.deed_is_done();
        }
        self.record.iter().for_each(|log| log.busy_with(None));
        self.show_configs();
        self.reap_strangers();
    }
}

fn bequeathed(effects: &[Effect]) -> impl Iterator<Item = &Effect> {
    effects.iter().filter(|effect| effect.is_bequeathed())
}
