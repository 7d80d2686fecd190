//! A file of this machine, put up whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStoreExt as _};

use crate::Bucket;
use crate::error::told;

/// Larger files are put up in parts of this size, one after the other: so much of a file is in memory.
const PART: usize = 8 << 20;

/// Puts a file up. It is there when all of it is.
pub(crate) async fn put(bucket: &Bucket, from: &Path, to: &Key) -> io::Result<()> {
    let mut file = File::open(from)?;
    let first = part(&mut file)?;
    if first.len() < PART {
        return bucket.store.put(to, first.into()).await.map(drop).map_err(|error| told(bucket, &error));
    }
    let mut upload = bucket.store.put_multipart(to).await.map_err(|error| told(bucket, &error))?;
    let done = parts(bucket, upload.as_mut(), first, &mut file).await;
    if done.is_err() {
        // What cannot be taken back costs room until the bucket's own rules let it go.
        let _ = upload.abort().await;
    }
    done
}

async fn parts(bucket: &Bucket, upload: &mut dyn MultipartUpload, first: Vec<u8>, file: &mut File) -> io::Result<()> {
    let mut next = first;
    while !next.is_empty() {
        upload.put_part(next.into()).await.map_err(|error| told(bucket, &error))?;
        next = part(file)?;
    }
    upload.complete().await.map(drop).map_err(|error| told(bucket, &error))
}

/// The next part; a shorter one is the last.
fn part(file: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.take(PART as u64).read_to_end(&mut part)?;
    Ok(part)
}
