package main

// setUmask is for systems that have one.
func setUmask(int) {}
