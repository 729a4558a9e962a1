use std::net::SocketAddr; use std::ops::Range; use crate::units::*;
pub struct ServerConfig { pub node: String, pub domain: String, pub address: SocketAddr, pub password_prefix: String, pub media_ports: Range<u16>, pub seed: u64 }
pub enum Input<'a> { Datagram{from:SocketAddr,bytes:&'a[u8]}, Stream{conn: u64, bytes:&'a[u8]}, Closed{conn: u64}, Replica{bytes:&'a[u8]} }
pub enum Output { Datagram{to:SocketAddr,bytes:Vec<u8>}, Stream{conn:u64,bytes:Vec<u8>}, Relay(RelayCommand), Replicate(Vec<u8>) }
pub struct RelayLeg{pub local_port:u16,pub remote:SocketAddr}
pub enum RelayCommand { Open { session: u64, legs: [RelayLeg;2] }, Close { session: u64 } }
pub struct SipServer; impl SipServer { pub fn new(_:ServerConfig)->Self{SipServer} pub fn handle(&mut self,_:RunTime,_:Input){} pub fn poll(&mut self)->Option<Output>{None} pub fn wake_at(&self)->Option<RunTime>{None} pub fn tick(&mut self,_:RunTime){} pub fn activate(&mut self,_:RunTime){} }
