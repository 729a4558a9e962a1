//! The disk of an image: a partition table, GRUB before the first partition, ext4 in it. No loop device is needed.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::super::tools;

const SECTOR: usize = 512;

/// Where the partition begins; the boot loader lies in the sectors before it.
const FIRST_SECTOR: u32 = 2048;

/// Size of the partition. The file has holes: an image takes what is in it.
const PARTITION_MIB: u32 = 3072;

/// Code of the first sector ends where the partition table begins.
const BOOT_CODE: usize = 446;

/// What GRUB needs to find and read its configuration, and to start Linux.
const MODULES: [&str; 7] = ["biosdisk", "part_msdos", "ext2", "linux", "normal", "configfile", "minicmd"];

/// Makes the disk from the root file system `root`, which has GRUB among its packages.
///
/// # Errors
/// The command that failed.
pub(super) fn make(disk: &Path, root: &Path) -> Result<(), String> {
    let (root_text, disk_text) = (root.to_string_lossy(), disk.to_string_lossy());
    let image = ["grub-mkimage", "-O", "i386-pc", "-o", "/boot/core.img", "-p", "(hd0,msdos1)/boot/grub"];
    tools::run("chroot", &[&[&*root_text], &image[..], &MODULES[..]].concat())?;
    let offset = format!("offset={}", FIRST_SECTOR as usize * SECTOR);
    let size = format!("{PARTITION_MIB}M");
    tools::run("mke2fs", &["-q", "-F", "-t", "ext4", "-E", &offset, "-d", &root_text, &disk_text, &size])?;
    install_boot_loader(disk, root).map_err(|error| format!("{}: {error}", disk.display()))
}

fn install_boot_loader(disk: &Path, root: &Path) -> io::Result<()> {
    let code = fs::read(root.join("usr/lib/grub/i386-pc/boot.img"))?;
    let core = fs::read(root.join("boot/core.img"))?;
    if core.len() > (FIRST_SECTOR as usize - 1) * SECTOR {
        return Err(io::Error::other("GRUB's core is too large for the sectors before the partition"));
    }
    let mut file = OpenOptions::new().write(true).open(disk)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&first_sector(&code))?;
    // GRUB's boot.img loads sector 1 and what the block list there says: sector 2 and the following.
    file.write_all(&core)?;
    file.sync_all()
}

/// The first sector (a PC's master boot record): boot code, one partition of type 0x83, signature.
fn first_sector(code: &[u8]) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    let length = code.len().min(BOOT_CODE);
    sector[..length].copy_from_slice(&code[..length]);
    // Addresses by cylinder, head and sector are beyond what they can say: FE FF FF.
    let entry = &mut sector[BOOT_CODE..BOOT_CODE + 16];
    entry[..8].copy_from_slice(&[0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&FIRST_SECTOR.to_le_bytes());
    entry[12..16].copy_from_slice(&(PARTITION_MIB * 2048).to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets of the master boot record: table at 446, start at 454, length at 458, signature at 510.
    #[test]
    fn the_first_sector_has_the_code_one_active_partition_and_the_signature() {
        let sector = first_sector(&[0xeb; SECTOR]);
        assert!(sector[..446].iter().all(|octet| *octet == 0xeb));
        assert_eq!((sector[446], sector[450]), (0x80, 0x83));
        assert_eq!(u32::from_le_bytes(sector[454..458].try_into().unwrap()), 2048);
        assert_eq!(u32::from_le_bytes(sector[458..462].try_into().unwrap()), 3072 * 1024 * 1024 / 512);
        assert!(sector[462..510].iter().all(|octet| *octet == 0), "no second partition");
        assert_eq!(sector[510..], [0x55, 0xaa]);
    }
}
