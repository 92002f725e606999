//! What all requests of one opening share.

use std::rc::Rc;

use patchlab::host::Progress;

use crate::downloads::cancel::CancelToken;
use crate::downloads::platform::Platform;
use crate::downloads::progress::DownloadProgress;
use crate::downloads::storage::Storage;

/// One opening of a model at an address.
pub(crate) struct Context {
    pub(crate) platform: Platform,
    pub(crate) storage: Storage,
    pub(crate) cancel: Rc<CancelToken>,
    pub(crate) progress: DownloadProgress,
}

impl Context {
    pub(crate) fn new(
        platform: Platform,
        cancel: Rc<CancelToken>,
        report: impl Fn(&Progress) + 'static,
    ) -> Self {
        let storage = Storage::new(platform.store.clone());
        let progress = DownloadProgress::new(platform.clock.clone(), report);
        Self { platform, storage, cancel, progress }
    }
}
