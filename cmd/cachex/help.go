package main

func topicNames() []string { return nil }
