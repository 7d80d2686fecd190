//! Archives in object storage: S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage.
//!
//! Promises:
//! 1. Only what is asked for is fetched, in ranges; ranges near each other together, others at the same time.
//! 2. What is kept of it in memory is bounded (`cache`), as are requests at a time, the time that each takes and how often it is made
//!    again (`client`).
//! 3. An error says what did not work and what to do, and never a secret (`error`).
//! 4. A thread that waits for an answer may be any, one of an asynchronous runtime, too.
//!
//! `lookback-flow` knows this crate by the trait [`Store`] alone.

mod address;
mod blob;
mod cache;
mod client;
mod error;
mod upload;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use bytes::Bytes;
use lookback_flow::store::{Blob, Entry, Folder, Store};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use address::Address;
use blob::Object;
use cache::Cache;
use error::told;

/// Requests at a time.
const REQUESTS: usize = 16;

/// Bytes of the end of a file that are fetched when it is opened: the footer of most, with its indexes.
const TAIL: u64 = 128 << 10;

/// Files whose ends are fetched before they are opened: what half of the memory for all of it has room for.
const MOST_AHEAD: usize = 512;

/// Buckets by their addresses. What they are reached with stands in the environment, as their own tools take it (`AWS_*`, `GOOGLE_*`,
/// `AZURE_*`).
#[derive(Debug, Default)]
pub struct Stores {
    buckets: Mutex<HashMap<String, Bucket>>,
    engine: OnceLock<Arc<Engine>>,
}

/// A bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub store: Arc<dyn ObjectStore>,
    /// What errors call the place that was asked: `bucket "flows" at http://127.0.0.1:8333`.
    pub name: String,
    /// What to look at when it does not let one in.
    pub credentials: &'static str,
}

/// Where requests are made.
#[derive(Debug)]
pub(crate) struct Engine {
    runtime: Runtime,
    requests: Arc<Semaphore>,
    pub cache: Cache,
}

impl Engine {
    fn new() -> io::Result<Self> {
        // The TLS of requests takes the one that is installed; another one that is there already does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("store").enable_all().build()?;
        Ok(Self { runtime, requests: Arc::new(Semaphore::new(REQUESTS)), cache: Cache::default() })
    }

    /// Waits for what is done elsewhere.
    fn wait<T: Send + 'static>(&self, done: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
        let (tell, told) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let _ = tell.send(done.await);
        });
        told.recv().map_err(|_| io::Error::other("a request was dropped"))
    }

    /// Waits for many, of which a few are done at a time; in their order.
    pub(crate) fn wait_all<T, F>(&self, all: impl IntoIterator<Item = F>) -> io::Result<Vec<T>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = JoinSet::new();
        for (at, one) in all.into_iter().enumerate() {
            let requests = Arc::clone(&self.requests);
            let turn = async move {
                // It is never closed.
                let _turn = requests.acquire().await;
                (at, one.await)
            };
            running.spawn_on(turn, self.runtime.handle());
        }
        let mut done = self.wait(async move {
            let mut done = Vec::new();
            while let Some(one) = running.join_next().await {
                done.push(one);
            }
            done
        })?;
        let mut done: Vec<(usize, T)> = done.drain(..).collect::<Result<_, _>>().map_err(io::Error::other)?;
        done.sort_unstable_by_key(|(at, _)| *at);
        Ok(done.into_iter().map(|(_, one)| one).collect())
    }
}

impl Stores {
    /// Likewise, with a bucket that is reached in a way of its own, such as one in memory.
    #[must_use]
    pub fn with(bucket: &str, store: Arc<dyn ObjectStore>) -> Self {
        let stores = Self::default();
        let named = Bucket { store, name: format!("bucket {bucket:?}"), credentials: "" };
        stores.buckets.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.to_owned(), named);
        stores
    }

    fn engine(&self) -> io::Result<&Arc<Engine>> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Arc::new(Engine::new()?);
        Ok(self.engine.get_or_init(|| engine))
    }

    fn bucket(&self, address: &Address) -> io::Result<Bucket> {
        self.engine()?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(&address.bucket_url()) {
            return Ok(bucket.clone());
        }
        let bucket = client::open(address)?;
        buckets.insert(address.bucket_url(), bucket.clone());
        Ok(bucket)
    }

    /// The bucket and the key of a path.
    fn at(&self, path: &Path) -> io::Result<(Bucket, Key)> {
        let address = Address::parse(path)?;
        Ok((self.bucket(&address)?, address.key))
    }
}

/// A future that may be of one of several kinds.
pub(crate) type Pending<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

impl Store for Stores {
    fn list(&self, folders: &[Folder]) -> io::Result<Vec<Vec<Entry>>> {
        let requests = folders.iter().map(|folder| {
            let (bucket, key) = self.at(&folder.path)?;
            let deep = folder.deep;
            Ok::<Pending<io::Result<Vec<Entry>>>, io::Error>(Box::pin(async move {
                let listed =
                    if deep { all_below(&*bucket.store, &key).await } else { below(&*bucket.store, &key).await };
                listed.map_err(|error| told(&bucket, &error))
            }))
        });
        let requests: Vec<_> = requests.collect::<io::Result<_>>()?;
        self.engine()?.wait_all(requests)?.into_iter().collect()
    }

    fn read(&self, paths: &[PathBuf]) -> Vec<io::Result<Bytes>> {
        let request = |path: &PathBuf| -> Pending<io::Result<Bytes>> {
            match self.at(path) {
                Ok((bucket, key)) => Box::pin(async move {
                    let read = async { bucket.store.get(&key).await?.bytes().await };
                    read.await.map_err(|error| told(&bucket, &error))
                }),
                Err(error) => Box::pin(async { Err(error) }),
            }
        };
        match self.engine().and_then(|engine| engine.wait_all(paths.iter().map(request))) {
            Ok(read) => read,
            Err(error) => vec![Err(error)],
        }
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>> {
        let (bucket, key) = self.at(path)?;
        Ok(Arc::new(Object::open(self.engine()?, bucket, path, key)?))
    }

    fn open_soon(&self, paths: &[PathBuf]) {
        let Ok(engine) = self.engine() else { return };
        let unknown = |path: &&PathBuf| engine.cache.size(&path.to_string_lossy()).is_none();
        let requests = paths.iter().filter(unknown).take(MOST_AHEAD).filter_map(|path| {
            let (bucket, key) = self.at(path).ok()?;
            let (name, engine): (Arc<str>, _) = (path.to_string_lossy().into(), Arc::clone(engine));
            Some(async move {
                // What fails is told when it is opened.
                let _ = blob::end(bucket, key).await.map(|end| end.keep(&engine.cache, &name));
            })
        });
        let _ = engine.wait_all(requests);
    }

    fn put(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (bucket, key) = self.at(to)?;
        let from = from.to_owned();
        self.engine()?.wait(async move { upload::put(&bucket, &from, &key).await })?
    }

    fn create(&self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        let (bucket, key) = self.at(path)?;
        self.engine()?.wait(async move {
            let options = PutOptions::from(PutMode::Create);
            bucket.store.put_opts(&key, content.into(), options).await.map(drop).map_err(|error| told(&bucket, &error))
        })?
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        let (bucket, key) = self.at(path)?;
        self.engine()?.wait(async move {
            match bucket.store.delete(&key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(told(&bucket, &error)),
            }
        })?
    }
}

/// What is right below a folder.
async fn below(store: &dyn ObjectStore, folder: &Key) -> object_store::Result<Vec<Entry>> {
    let listed = store.list_with_delimiter(Some(folder)).await?;
    let folders = listed
        .common_prefixes
        .iter()
        .filter_map(|key| Some(Entry { name: key.filename()?.to_owned(), is_folder: true, written: 0 }));
    let files = listed.objects.iter().filter_map(|object| entry(object, object.location.filename()?));
    Ok(folders.chain(files).collect())
}

/// All files below a folder.
async fn all_below(store: &dyn ObjectStore, folder: &Key) -> object_store::Result<Vec<Entry>> {
    let mut listed = store.list(Some(folder));
    let mut entries = Vec::new();
    while let Some(object) = listed.next().await {
        let object = object?;
        let name = object.location.as_ref().strip_prefix(folder.as_ref());
        entries.extend(name.and_then(|name| entry(&object, name.trim_start_matches('/'))));
    }
    Ok(entries)
}

fn entry(object: &object_store::ObjectMeta, name: &str) -> Option<Entry> {
    let written = object.last_modified.timestamp_nanos_opt().unwrap_or_default();
    (!name.is_empty()).then(|| Entry { name: name.to_owned(), is_folder: false, written })
}
